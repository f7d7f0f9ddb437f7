"""The pod template beside a release file: what is taken from it, and what is said when it does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from canary.spec import Release, ReleaseFileError, load, normalised, parse
from canary.spec.template import LIVE, TEMPLATE_LIMIT, PodTemplate, Source

POD = """\
metadata:
  labels: {app: user-service}
spec:
  containers:
    - name: app
      env: [{name: LEVEL, value: info}]
"""


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


DEPLOYMENT = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: user-service, creationTimestamp: null}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: user-service}}}}
  template:
{indented(POD, 4)}"""


@pytest.fixture
def naming(minimal: str, tmp_path: Path) -> Path:
    """A release file that names deploy/pod.yaml, which is not there."""
    (tmp_path / "deploy").mkdir()
    path = tmp_path / "release.yaml"
    path.write_text(minimal.replace("{name: user-service}", "{name: user-service, template: deploy/pod.yaml}"))
    return path


def template_of(release: Release) -> PodTemplate:
    assert release.spec.workload is not None
    assert isinstance(release.spec.workload.template, PodTemplate)
    return release.spec.workload.template


def given(naming: Path, text: str) -> Release:
    (naming.parent / "deploy" / "pod.yaml").write_text(text)
    return load(naming)


def told(naming: Path, text: str) -> str:
    with pytest.raises(ReleaseFileError) as caught:
        given(naming, text)
    return str(caught.value).replace(f"{naming.parent}/", "")


@pytest.mark.parametrize("text", [POD, DEPLOYMENT, f"apiVersion: v1\nkind: PodTemplate\ntemplate:\n{indented(POD, 2)}"])
def test_a_template_alone_or_in_its_object(naming: Path, text: str) -> None:
    found = template_of(given(naming, text))
    assert found.template == {
        "metadata": {"labels": {"app": "user-service"}},
        "spec": {"containers": [{"name": "app", "env": [{"name": "LEVEL", "value": "info"}]}]},
    }
    assert found.text == text


def test_what_a_whole_deployment_says_beside_it_is_kept_for_a_first_release(naming: Path) -> None:
    assert template_of(given(naming, POD)).deployment is None
    wanted = {"replicas": 3, "selector": {"matchLabels": {"app": "user-service"}}}
    assert template_of(given(naming, DEPLOYMENT)).deployment == wanted


def test_the_content_is_a_part_of_what_the_release_is_and_its_spelling_is_not(naming: Path) -> None:
    first = normalised(given(naming, POD))
    assert (
        normalised(given(naming, "# a comment\n" + POD.replace("{app: user-service}", '{"app": "user-service"}')))
        == first
    )
    assert normalised(given(naming, POD.replace("info", "debug"))) != first


def test_entries_that_are_null_are_left_out_as_the_api_server_does(naming: Path) -> None:
    found = template_of(given(naming, POD + "  nodeSelector: null\n  volumes: [{name: v, emptyDir: }]\n"))
    assert "nodeSelector" not in found.template["spec"]
    assert found.template["spec"]["volumes"] == [{"name": "v"}]


def test_a_template_may_come_from_elsewhere_and_nobody_needs_it_to_know_what_is_released(naming: Path) -> None:
    assert template_of(load(naming, template=Source(name="x", raw=POD.encode()))).text == POD
    bare = load(naming, whole=False)
    assert bare.spec.workload is not None
    assert bare.spec.workload.template == LIVE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "deploy/pod.yaml:1:1: the file is empty; write a pod template"),
        ("- a", "deploy/pod.yaml:1:1: a pod template is a mapping; begin with metadata and spec, or write the"),
        ("a: b: c", "deploy/pod.yaml:1:5: this is not YAML"),
        (POD + "---\n" + POD, "deploy/pod.yaml:7:1: a second document begins here; write one object in each file"),
        ("kind: StatefulSet\n", "kind: this is a StatefulSet; write the Deployment, or what stands in its"),
        ("kind: Deployment\nspec: {}\n", "there is no pod template here; write its metadata and its spec"),
        (POD + "tempalte: {}\n", "tempalte: there is no such key; a pod template has metadata and spec"),
        (POD.replace("app: user-service", ""), "metadata.labels: the pods have no labels; write those that"),
        (POD.replace("user-service", "5"), "deploy/pod.yaml:2:12: metadata.labels.app: this must be a text; put it in"),
        ("metadata: {labels: {a: b}}\nspec: {containers: []}", "spec.containers: there are no containers here"),
        (POD.replace("name: app", "image: app"), "spec.containers[0]: this container has no name; write name: ..."),
        (POD + "    - name: proxy\n", "several containers: app, proxy; say in spec.workload.container of the release"),
        (
            POD + "  volumes: [{name: v, secret: {defaultMode: 0640}}]\n",
            'begins with 0: "0640"; write 416, which kubectl',
        ),
        (POD + "  <<: {a: b}\n", "merge keys are not read; write out what is merged"),
        (DEPLOYMENT.replace("apps/v1", "extensions/v1beta1"), "apiVersion: no other version is known; write apps/v1"),
        (
            DEPLOYMENT.replace("{name: user-service", "{name: other"),
            "metadata.name: the release says user-service; write",
        ),
        (
            DEPLOYMENT.replace("{name: user-service", "{namespace: x, name: user-service"),
            "the release says shop; write",
        ),
        (
            DEPLOYMENT.replace("labels: {app: user-service}", "labels: {app: other}"),
            "spec.template.metadata.labels: the",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_would_be_right(naming: Path, text: str, said: str) -> None:
    assert said in told(naming, text)


def test_a_container_that_the_release_names_and_the_file_has_not(naming: Path) -> None:
    naming.write_text(naming.read_text().replace("name: user-service,", "name: user-service, container: web,"))
    assert "spec.containers: there is no container web, only app; correct spec.workload.container" in told(naming, POD)


def test_values_of_what_may_be_a_secret_are_not_repeated(naming: Path) -> None:
    said = told(naming, POD.replace("info", "hunter2").replace("app: user-service", "app: 5"))
    assert "hunter2" not in said


def test_problems_of_both_files_are_told_at_once(naming: Path) -> None:
    naming.write_text(naming.read_text().replace("port: 8080", "port: 0"))
    said = told(naming, "- a")
    assert "deploy/pod.yaml:1:1:" in said
    assert "release.yaml:6:41: spec.stable.port" in said


def test_a_file_that_is_not_there_or_too_large(naming: Path) -> None:
    with pytest.raises(
        ReleaseFileError, match=r"release.yaml:7:44: spec.workload.template: the file .* cannot be read"
    ):
        load(naming)
    assert "the file is larger than 64 KiB" in told(naming, POD + "#" * TEMPLATE_LIMIT)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../pod.yaml", "deploy/../../pod.yaml", "./pod.yaml", "a b", "", "~/x"]
)
def test_only_files_below_the_release_files_folder_are_read(minimal: str, path: str) -> None:
    text = minimal.replace("{name: user-service}", f'{{name: user-service, template: "{path}"}}')
    with pytest.raises(ReleaseFileError, match="not the path of a file below the release file's folder"):
        parse(text)


def test_a_link_does_not_lead_out_of_the_folder(naming: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "pod.yaml"
    outside.write_text(POD)
    (naming.parent / "deploy" / "pod.yaml").symlink_to(outside)
    with pytest.raises(ReleaseFileError, match="leads out of the release file's folder"):
        load(naming)


def test_a_hook_promotes_an_image_alone(naming: Path) -> None:
    naming.write_text(naming.read_text() + "  promote: {by: hook}\n")
    assert "spec.promote.by: the engine knows a hook's work by the image alone" in told(naming, POD)


def test_config_is_copied_by_content_only_where_the_file_names_the_originals(naming: Path) -> None:
    naming.write_text(naming.read_text().replace("deploy/pod.yaml", "deploy/pod.yaml, versioned: [Secret]"))
    workload = given(naming, POD).spec.workload
    assert workload is not None
    assert workload.versioned == ("Secret",)
    assert load(naming, whole=False).spec.workload == workload.model_copy(update={"template": LIVE, "versioned": ()})
    naming.write_text(naming.read_text().replace("deploy/pod.yaml", "live"))
    assert "spec.workload.versioned: the running Deployment names the copies" in told(naming, POD)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("live", "spec.firstRelease: there is nothing to make a first version from"),
        (POD, "spec.firstRelease: a pod template alone does not say how many pods a first version has"),
        (DEPLOYMENT.replace("selector", "x"), "spec.firstRelease: the Deployment has no selector"),
        (
            DEPLOYMENT.replace("replicas: 3", "replicas: 0"),
            "spec.firstRelease: a Deployment of 0 replicas is no version",
        ),
    ],
)
def test_a_first_version_is_made_from_a_whole_deployment(naming: Path, text: str, said: str) -> None:
    naming.write_text(naming.read_text() + "  firstRelease: direct\n")
    if text == "live":
        naming.write_text(naming.read_text().replace("deploy/pod.yaml", "live"))
    assert said in told(naming, text)
    if text != "live":
        assert load(naming, whole=False).spec.first_release == "refuse"


def test_a_first_version_is_what_the_file_says(naming: Path) -> None:
    naming.write_text(naming.read_text() + "  firstRelease: direct\n")
    release = given(naming, DEPLOYMENT)
    assert release.spec.first_release == "direct"
    whole = template_of(release).whole()
    assert whole is not None
    assert whole["spec"]["template"] == template_of(release).template
    assert whole["spec"]["replicas"] == 3
