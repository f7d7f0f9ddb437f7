"""What a release file means, and what is said when it means nothing."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from canary.spec import Problem, Release, ReleaseFileError, load, normalised, parse, schema
from canary.spec.load import LARGEST_FILE
from canary.spec.template import Source

EXAMPLES = Path(__file__).parents[2] / "examples" / "releases"
GOLDEN = Path(__file__).parent / "golden"


def problems(text: str | bytes, *, image: str | None = None) -> list[str]:
    with pytest.raises(ReleaseFileError) as caught:
        parse(text, file="release.yaml", image=image)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_a_release(path: Path) -> None:
    assert isinstance(load(path), Release)


def test_the_full_example_names_every_key_of_the_format() -> None:
    text = (EXAMPLES / "full.yaml").read_text()
    keys = {key for part in [schema(), *schema()["$defs"].values()] for key in part.get("properties", {})}
    assert {key for key in keys if not re.search(rf"\b{re.escape(key)}:", text)} <= {"p90", "p95", "p99.9"}


def test_the_smallest_example_has_ten_lines_and_every_default(minimal: str) -> None:
    release = parse(minimal)
    assert len(minimal.splitlines()) == 10
    assert (release.canary_service, release.canary_port) == ("user-service-canary", 8080)
    assert release.spec.strategy.linear is not None
    assert release.spec.strategy.linear.start == Decimal(5)
    assert [metric.name for metric in release.spec.analysis.metrics] == ["errors", "latency"]
    assert release.spec.analysis.interval == 10.0
    assert release.spec.image is None


@pytest.mark.parametrize("name", ["many-problems", "impossible"])
def test_all_problems_are_told_at_once_with_their_places(name: str, golden: Callable[[str, str], None]) -> None:
    text = (GOLDEN / f"{name}.yaml").read_text()
    told = problems(text)
    golden(f"{name}.txt", "\n".join(told) + "\n")
    assert "secret" not in "".join(told)
    assert "Bearer" not in "".join(told)


def test_the_schema_is_the_one_published(golden: Callable[[str, str], None]) -> None:
    Draft202012Validator.check_schema(schema())
    golden("schema.json", json.dumps(schema(), indent=2) + "\n")


def test_every_key_in_the_schema_is_described() -> None:
    shared = schema()["$defs"]
    described = {f"#/$defs/{name}" for name, part in shared.items() if part.get("description")}
    keys = [item for part in [schema(), *shared.values()] for item in part.get("properties", {}).items()]
    assert [key for key, value in keys if "description" not in value and value.get("$ref") not in described] == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_accepts_every_example(path: Path) -> None:
    from canary.spec import document

    plain = json.loads(json.dumps(document.read(path.read_text(), file="x").root.value))
    assert list(Draft202012Validator(schema()).iter_errors(plain)) == []


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ("", 1, 1, "the file is empty"),
        ("# nothing\n", 1, 1, "the file is empty"),
        ("- a\n", 1, 1, "a release file is a mapping"),
        ("plain text", 1, 1, "a release file is a mapping"),
        ("a: 1\n\tb: 2\n", 2, 1, "with tabs"),
        ("a: b: c\n", 1, 5, "quote a text"),
        ("a: [1, 2\n", 2, 1, "not YAML"),
        ("a: 1\na: 2\n", 2, 1, "written twice"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("? [a]\n: 1\n", 1, 3, "a key must be a word"),
        ("a: &x 1\n*x : 1\n", 2, 1, "a key must be a word"),
        ("a: *x\n", 1, 4, "nothing before this is named"),
        ("a: &x [*x]\n", 1, 8, "nothing before this is named"),
        ("a: !!python/object:os.system 1\n", 1, 4, "a tag has no meaning"),
        ("a: ~\n", 1, 1, "there is no value here"),
        ("a: \0\n", 1, 4, "U+0000"),
        ("a: \u202eevil\n", 1, 4, "RIGHT-TO-LEFT OVERRIDE"),
        ("ab\u200bc: 1\n", 1, 3, "ZERO WIDTH SPACE"),
        ("a: x\u2028b: 1\n", 1, 5, "LINE SEPARATOR"),
        ('a: "\\UFFFFFFFF"\n', 1, 1, "not YAML"),
        (b"a: \xff\n", 1, 4, "not UTF-8"),
        (b"a: 1\nb: \xc3\x28\n", 2, 4, "not UTF-8"),
        ("a: " + "[" * 100, 1, 35, "nested deeper"),
        ("a: " + "{a: " * 100, 1, 128, "nested deeper"),
    ],
)
def test_text_that_is_no_document_is_refused_at_its_place(text: str, line: int, column: int, said: str) -> None:
    told = problems(text)
    assert any(one.startswith(f"release.yaml:{line}:{column}: ") and said in one for one in told), told


def test_aliases_cannot_make_a_small_file_large() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "more than 10000 values" in problems("\n".join(lines))[-1]


def test_a_file_full_of_mistakes_is_not_told_to_its_end() -> None:
    assert 50 <= len(problems("a:\n" * 5000)) <= 100


def test_a_huge_file_is_refused_before_it_is_parsed() -> None:
    assert "larger than 256 KiB" in problems("[" * (LARGEST_FILE + 1))[0]


def test_an_alias_within_bounds_is_its_value(minimal: str) -> None:
    text = minimal.replace("name: user-service}\n  analysis", "name: &n user-service}\n  analysis")
    assert parse(text.replace("route: {name: user-service-route}", "route: {name: x}")).spec.workload is not None
    steps = "  strategy: {steps: [{share: 5, hold: &h {min: 1m, max: 2m}}, {share: 9, hold: *h}]}\n"
    plan = parse(minimal + steps).spec.strategy.steps
    assert plan is not None
    assert plan[0].hold == plan[1].hold


def test_a_byte_order_mark_and_windows_line_ends_are_read(minimal: str) -> None:
    raw = b"\xef\xbb\xbf" + minimal.replace("\n", "\r\n").encode()
    assert parse(raw) == parse(minimal)


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ReleaseFileError, match="the file cannot be read"):
            load(path)


def test_the_image_of_the_command_line_wins_and_is_checked(minimal: str) -> None:
    text = minimal + "  image: acme/old:1\n"
    assert parse(text, image="acme/new:2").spec.image == "acme/new:2"
    assert parse(minimal, image="acme/new:2").spec.image == "acme/new:2"
    told = problems(text, image="Not An Image")
    assert len(told) == 1
    assert told[0].startswith("--image:1:1: this is not an image reference")


@pytest.mark.parametrize(
    "image",
    ["nginx", "nginx:1.27", "ghcr.io/acme/user-service@sha256:" + "a" * 64, "localhost:5000/a/b__c:x", "[::1]:5000/a"],
)
def test_images_are_read_as_registries_spell_them(minimal: str, image: str) -> None:
    assert parse(minimal, image=image).spec.image == image


@pytest.mark.parametrize("image", ["", "Nginx", "a b", "a:", "a@sha256:12", "${IMG}", "a/../b", "-a", "a" * 600, "a\n"])
def test_what_is_no_image_is_refused(minimal: str, image: str) -> None:
    assert problems(minimal, image=image)[0].startswith("--image:1:1: ")


def test_the_normal_form_does_not_depend_on_how_a_file_is_spelled(minimal: str) -> None:
    other = minimal.replace("route: {name: user-service-route}", "route:\n    name: 'user-service-route'")
    other += "  strategy: {linear: {from: '5.0%', by: 15.0, to: 50}}\n  deadline: 120m\n"
    other = other.replace("gateway: traefik", "gateway: traefik\n    every: 10000ms")
    assert normalised(parse(other)) == normalised(parse(minimal))
    assert json.loads(json.dumps(normalised(parse(minimal)))) == normalised(parse(minimal))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_normal_form_is_itself_a_release_with_the_same_normal_form(path: Path) -> None:
    normal = normalised(load(path))
    written, template = json.loads(json.dumps(normal)), None
    found = written["spec"].get("workload", {}).get("template", "live")
    if found != "live":  # what a template's file says stands in place of its name
        spec = {**found["deployment"], "template": found["template"]}
        whole = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "user-service"}, "spec": spec}
        template = Source(name="x", raw=json.dumps(whole).encode())
        written["spec"]["workload"]["template"] = "x.yaml"
    assert normalised(parse(json.dumps(written), template=template)) == normal


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200))
@example("a: &a\n  <<: *a")
@example("%YAML 9.9\n---\na: 1")
@example("%TAG ! tag:x\n---\na: !x 1")
@example("a: |9\n x")
@example('"\\ud800": 1')
@example("a: 1e999")
@example("a: " + "9" * 400)
@example("\ufeff\ufeffa: 1")
def test_no_text_whatever_ends_in_a_traceback(text: str | bytes) -> None:
    told = problems(text)
    assert all(re.match(r"release\.yaml:[1-9][0-9]*:[1-9][0-9]*: .", one) for one in told)
    assert all(one.isprintable() for one in told)


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_JUNK = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += _places(inner, (*path, key))
    return found


_FULL = normalised(load(EXAMPLES / "full.yaml"))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(_places(_FULL)), _JUNK)
def test_junk_in_any_place_of_a_release_is_refused_or_read_but_never_a_traceback(
    path: tuple[str | int, ...], junk: object
) -> None:
    broken = json.loads(json.dumps(_FULL))
    target = broken
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = junk
    told: tuple[Problem, ...] = ()
    try:
        assert normalised(parse(json.dumps(broken)))
    except ReleaseFileError as error:
        told = error.problems
    assert all(str(problem).isprintable() for problem in told)
    assert all(problem.message and problem.line == 1 for problem in told)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(_places(_FULL)), st.from_regex(r"[a-z][a-zA-Z]{0,12}X", fullmatch=True))
def test_an_unknown_key_in_any_mapping_is_refused_by_its_name(path: tuple[str | int, ...], key: str) -> None:
    broken = json.loads(json.dumps(_FULL))
    target = broken
    for part in path[:-1]:
        target = target[part]
    if not isinstance(target, dict) or "headers" in path[:-1]:
        return
    target[key] = 1
    with pytest.raises(ReleaseFileError) as caught:
        parse(json.dumps(broken))
    assert any(problem.key.endswith(key) and problem.hint for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("added", "key", "said"),
    [
        ("strategy: {linear: {from: 1, by: 0.0001, to: 50}}", "spec.strategy.linear.by", "more than 100 steps"),
        ("strategy: {linear: {by: 0}}", "spec.strategy.linear.by", "a step must add something"),
        ("strategy: {exponential: {factor: 1.001}}", "spec.strategy.exponential.factor", "more than 100 steps"),
        ("strategy: {exponential: {factor: 1}}", "spec.strategy.exponential.factor", "too small"),
        ("strategy: {}", "spec.strategy", "names no kind"),
        ("strategy: {steps: []}", "spec.strategy.steps", "too short"),
        ("gates: [{before: 7}]", "spec.gates[0].before", "no step has this share"),
        ("gates: [{before: 5}, {before: 100, onExpiry: hold}]", "spec.gates[1].onExpiry", "expire alike"),
        ("gates: [{before: 5, approvers: {slack: [a]}}]", "spec.gates[0].approvers.slack", "not supported yet"),
        ("canary: {service: user-service}", "spec.canary.service", "the same Service"),
        ("deadline: 6m", "spec.deadline", "take 6m"),
        (
            "strategy: {linear: {hold: {min: 1s, max: 30s}}}",
            "spec.analysis.warmup",
            "before its latency is judged, after 1m",
        ),
        ("strategy: {linear: {hold: {min: 1s, max: 9s}}}", "spec.analysis.every", "before its first look"),
        ("metrics: []", "spec.metrics", "no such key"),
        ("onConcurrent: queue", "spec.onConcurrent", "not supported yet"),
        ("workload: {name: shop, baseline: fresh}", "spec.workload.baseline", "true or false"),
        (
            "workload: {name: user-service, baseline: true, copy: [HorizontalPodAutoscaler]}",
            "spec.workload.copy",
            "another size than the fresh baseline's",
        ),
        (
            "workload: {name: user-service, baseline: true}\n  canary: {service: user-service-baseline}",
            "spec.canary.service",
            "the fresh baseline's Service has this name",
        ),
        ("firstRelease: direct", "spec.firstRelease", "nothing to make a first version from"),
    ],
)
def test_what_cannot_work_or_is_not_built_is_refused_at_its_key(minimal: str, added: str, key: str, said: str) -> None:
    told = problems(f"{minimal}  {added}\n")
    assert any(f": {key}: " in one and said in one for one in told), told


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("checkouts_total", "does not tell the arms apart"),
        ("rate(checkouts_total{service='$arm'}[1m])", "not a plain selector"),
        ("checkouts_total{service!='$arm'}", "not a matcher"),
        ('x{service=~"$arm("}', "not a regular expression"),
        ("{$arm", "not a plain selector"),
    ],
)
def test_a_query_that_is_no_counter_is_refused_at_its_key(minimal: str, selector: str, said: str) -> None:
    good = 'x{service="$arm"}'
    metric = "    metrics: [{query: {name: q, bad: " + json.dumps(selector) + ", total: " + json.dumps(good) + "}}]\n"
    told = problems(minimal + metric)
    assert len(told) == 1
    assert "spec.analysis.metrics[0].query.bad: " in told[0]
    assert said in told[0]


def test_a_release_without_workload_needs_the_canary_s_service(minimal: str) -> None:
    without = minimal.replace("  workload: {name: user-service}\n", "")
    assert "neither a workload" in problems(without)[0]
    assert parse(without + "  canary: {service: next}\n").canary_service == "next"


def test_a_name_too_long_to_append_to_needs_the_canary_s_own(minimal: str) -> None:
    long = minimal.replace("service: user-service,", f"service: {'a' * 60},")
    assert "too long to append" in problems(long)[0]
    assert parse(long + "  canary: {service: next}\n").canary_service == "next"
