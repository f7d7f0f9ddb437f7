# Ten targets at most. Everything installs itself into .venv from the hash-locked files; nothing else on the machine is touched.
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SCENARIO ?= good
# Some machines forbid bytecode; hundreds of short processes start here, and each would take twice as long without.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-cluster check bench soak lock clean

help: ## say what each target does
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/run.stamp ## carry a real release through on this machine: make demo, make demo SCENARIO=errors
	@$(BIN)/canary demo --scenario $(SCENARIO) $(ARGS)

test: .venv/dev.stamp ## run every test (PYTEST_ARGS narrows it)
	@.ci/needs
	@$(BIN)/python -m pytest -n 4 --dist worksteal -m "not soak" $(PYTEST_ARGS)

test-cluster: .venv/dev.stamp ## adapters and whole releases against the cluster of your kubeconfig: make test-cluster CONTEXT=its-name
	@$(BIN)/python -m pytest tests/cluster -m "not soak" --cluster "$(CONTEXT)" --timeout 300 $(PYTEST_ARGS)

check: .venv/dev.stamp ## linters, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: .venv/dev.stamp ## measure what the README promises and print it with this machine's name
	@$(BIN)/python bench/run.py $(ARGS)

soak: .venv/dev.stamp ## the long runs: the judge's full guarantee, many seeds
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m soak --timeout 3600 $(PYTEST_ARGS)

lock: .venv/dev.stamp ## write the lock files anew from pyproject.toml (hashes, no index addresses)
	@$(BIN)/uv pip compile pyproject.toml --extra sandbox --universal --python-version 3.11 --generate-hashes --no-header --quiet --upgrade -o requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --extra sandbox --extra tracing --group dev --group build --universal --python-version 3.11 --generate-hashes --no-header --quiet -c requirements.lock -o requirements-dev.lock
	@$(BIN)/uv pip compile --group build --universal --python-version 3.11 --generate-hashes --no-header --quiet -c requirements-dev.lock -o .ci/build.lock
	@$(BIN)/uv pip compile --group audit --universal --python-version 3.11 --generate-hashes --no-header --quiet -o .ci/audit.lock

clean: ## remove the environment and every cache
	@rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/run.stamp: requirements.lock pyproject.toml
	@echo "installing into .venv (hash-locked; once)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) install --no-compile --no-deps --require-hashes -r requirements.lock
	@$(PIP) install --no-compile --no-deps --require-hashes -r .ci/build.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.lock
	@$(PIP) install --no-compile --no-deps --require-hashes -r requirements-dev.lock
	@touch $@
