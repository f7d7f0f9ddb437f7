"""The search itself finds what it looks for, wherever it is written."""

from __future__ import annotations

import base64
import json
import sys
import zlib
from pathlib import Path

import pytest

from tests import planted
from tests.planted import SECRET, Shown

PACKED = base64.b64encode(zlib.compress(f"said {SECRET}".encode())).decode()


@pytest.mark.parametrize("held", [SECRET, {"a": ["b", f"x{SECRET}"]}, {SECRET: 1}, {"record": PACKED}])
def test_a_stored_secret_is_found_also_packed_and_also_when_it_was_overwritten(tmp_path: Path, held: object) -> None:
    lines = [{"tokens": {"engine": SECRET}}]
    lines += [{"resource": "configmaps", "key": ["n"], "item": item} for item in (held, None, "clean")]
    state = tmp_path / "state"
    state.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(Shown, match="configmaps"):
        planted.search_stored(state)
    state.write_text(json.dumps(lines[0]) + "\n" + json.dumps(lines[-1]) + "\n")
    assert planted.search_stored(state) == 1


def test_a_file_with_a_secret_is_found_and_one_that_is_a_credential_is_not(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    (tmp_path / "kubeconfig").write_text(json.dumps({"kind": "Config", "users": SECRET}))
    planted.search_files(tmp_path)
    log = tmp_path / "engine.log"
    log.write_text(f"cannot reach http://127.0.0.1/as/{SECRET}/api")
    with pytest.raises(Shown, match=r"engine\.log.*/as/") as caught:
        planted.search_files(tmp_path)
    assert SECRET not in str(caught.value)
    log.unlink()  # or this very test would be found


KUBECONFIG = f"""\
apiVersion: v1
kind: Config
clusters: []
users: [{{name: it, user: {{token: {SECRET}}}}}]
"""


def test_a_log_that_holds_a_kubeconfig_is_none(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    for text, found in (
        (KUBECONFIG, False),
        (f"---\n{KUBECONFIG}", False),
        (f"cannot use it:\n{KUBECONFIG}", True),
        (f"{KUBECONFIG}that was it\n", True),
        (f"{KUBECONFIG}---\n{KUBECONFIG}", True),
        (f"{KUBECONFIG}said: x\n", True),
        (json.dumps({"kind": "Config", "users": SECRET}) + "\n", False),
        (json.dumps({"kind": "Config"}) + f"\n{SECRET}\n", True),
        ('{"tokens": {"engine": "' + SECRET + '"}}\n{"clean": 1}\n', False),
        ('{"tokens": {"engine": "' + SECRET + '"}}\n{"said": "' + SECRET + '"}\n', True),
    ):
        log.write_text(text)
        if found:
            with pytest.raises(Shown):
                planted.search_files(tmp_path)
        else:
            planted.search_files(tmp_path)
    log.unlink()


@pytest.mark.parametrize("place", [0, planted.CHUNK - 7, 3 * planted.CHUNK - len(SECRET)])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_large_file_is_looked_through_also_over_the_edges_of_its_pieces(
    tmp_path: Path, place: int, sparse: bool
) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        if sparse:
            file.truncate(1 << 32)
        else:
            file.write(b"x" * 3 * planted.CHUNK)
    planted.search_files(tmp_path)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(SECRET.encode())
    with pytest.raises(Shown, match="large"):
        planted.search_files(tmp_path)
    path.unlink()


def test_a_folder_that_tests_share_is_looked_through_at_the_end(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planted, "_folders", set())
    log = tmp_path_factory.mktemp("shared") / "log"
    log.write_text(SECRET + " said")
    with pytest.raises(Shown, match="log"):
        planted.search_rest()
    log.unlink()


def test_what_a_test_printed_is_found_although_it_read_it(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    sys.stderr.write(f"a line with {SECRET}")
    capsys.readouterr()
    with pytest.raises(Shown):
        planted.search_test(request.node)
    planted.search_test(request.node)
