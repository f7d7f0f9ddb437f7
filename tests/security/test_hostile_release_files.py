"""What a release file says is text: never a template, a path, a query or a trick of the eye."""

from __future__ import annotations

from typing import Any

import pytest

from canary.spec import ReleaseFileError, parse

NAMES = {"name": "shop", "namespace": "space", "route": "web", "stable": "old", "canary": "new", "container": "app"}

TRICKS = [
    "../../../etc/passwd",
    "a/../b",
    "a%2fb",
    "a?x=1",
    "a#b",
    "{{ .Values.secret }}",
    "{% include 'x' %}",
    "${HOME}",
    "$(id)",
    "`id`",
    "{0.__class__}",
    "%s%n",
    'a",code=~".*',
    'a"} or vector(1) #',
    "a|.*",
    ".*",
    "a\\nb",
    "\uff41",
    "раypal",  # noqa: RUF001 - Cyrillic on purpose
    "a" * 300,
    "-a",
    "a--",
    " a",
]


def release(**names: str) -> Any:
    given = {key: "'" + value.replace("'", "''") + "'" for key, value in (NAMES | names).items()}
    return parse(f"""\
apiVersion: canary/v1
kind: Release
metadata: {{name: {given["name"]}, namespace: {given["namespace"]}}}
spec:
  route: {{name: {given["route"]}}}
  stable: {{service: {given["stable"]}, port: 8080}}
  canary: {{service: {given["canary"]}}}
  workload: {{name: shop, container: {given["container"]}}}
  image: registry.example/shop:1
  analysis: {{source: {{scrape: {{urls: ["http://proxy/metrics"]}}}}, gateway: traefik}}
""")


def test_the_names_alone_are_fine() -> None:
    assert release().metadata.name == "shop"


@pytest.mark.parametrize("place", NAMES)
@pytest.mark.parametrize("trick", TRICKS)
def test_no_name_is_a_template_a_path_or_a_query(place: str, trick: str) -> None:
    with pytest.raises(ReleaseFileError) as refused:
        release(**{place: trick})
    assert str(refused.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("code", [0x200B, 0x200E, 0x202E, 0x2066, 0x2028, 0x85, 0xFEFF, 0x00, 0x1B, 0x7F, 0xE000])
@pytest.mark.parametrize("where", ["# a comment{}\n", "a{}: 1\n", "apiVersion: canary/v1{}\n"])
def test_a_character_that_misleads_is_refused(code: int, where: str) -> None:
    with pytest.raises(ReleaseFileError) as refused:
        parse(where.format(chr(code)))
    assert f"U+{code:04X}" in str(refused.value)
    assert chr(code) not in str(refused.value)
