"""The Job that the chart renders: its exit codes are the engine's, its deadlines stand in the right order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.core.aftermath import AFTERMATH, KILLED, JobAction, as_yaml, codes_for
from canary.core.outcome import ExitCode
from canary.core.policy import policy_of
from canary.spec import parse

ROOT = Path(__file__).parents[2]
CODES = ROOT / "charts" / "canary" / "files" / "exit-codes.yaml"
Objects = Callable[..., dict[tuple[str, str], dict[str, Any]]]
LEASE_SILENCE, START = 30.0, 60.0
"""Seconds that each of several engines may wait for a silent lease and for its node, within the Job's deadline."""


def job_of(rendered: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    (job,) = (each for (kind, _), each in rendered.items() if kind == "Job")
    return job


# The table --------------------------------------------------------------------------------------------------------


def test_the_table_knows_every_code_that_a_process_can_end_with() -> None:
    assert list(AFTERMATH) == sorted({*map(int, ExitCode), KILLED})
    assert all(after.next and not after.next.endswith(".") for after in AFTERMATH.values())


def test_codes_after_which_another_pod_can_still_help_never_fail_the_job() -> None:
    failing = set(codes_for(JobAction.FAIL_JOB))
    assert failing.isdisjoint({1, 30, 137, 143})
    # FailJob ends a healthy pod beside a duplicate that found the lease held.
    assert int(ExitCode.HELD_BY_ANOTHER) not in failing
    assert set(codes_for(JobAction.COMPLETE)) == {0}


def test_every_verdict_ends_the_job() -> None:
    verdicts = {2, 10, 11, 12, 14, 15, 16, 20, 21, 22, 23}
    assert set(codes_for(JobAction.FAIL_JOB)) == verdicts


def test_the_charts_table_is_the_engines() -> None:
    again = "run: python -m canary.core.aftermath > charts/canary/files/exit-codes.yaml"
    assert CODES.read_text(encoding="utf-8") == as_yaml(), again


def test_the_rendered_policy_is_the_table_with_disruptions_first(
    objects: Objects, minimal: str, job_values: dict[str, str]
) -> None:
    job = job_of(objects(minimal, **job_values))
    first, *rest = job["spec"]["podFailurePolicy"]["rules"]
    assert first == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    (container,) = job["spec"]["template"]["spec"]["containers"]
    rendered: dict[int, str] = {}
    for rule in rest:
        codes = rule["onExitCodes"]
        assert (codes["operator"], codes["containerName"]) == ("In", container["name"])
        assert codes["values"] == sorted(set(codes["values"]))
        assert 0 not in codes["values"]  # the API refuses it
        for code in codes["values"]:
            assert code not in rendered
            rendered[code] = rule["action"]
    assert rendered == {int(code): str(after.job) for code, after in AFTERMATH.items() if code}


# Its shape --------------------------------------------------------------------------------------------------------


def test_the_pod_is_restricted_and_small(objects: Objects, minimal: str, job_values: dict[str, str]) -> None:
    job = job_of(objects(minimal, **job_values))["spec"]
    assert (job["completions"], job["parallelism"], job["podReplacementPolicy"]) == (1, 1, "Failed")
    assert job["backoffLimit"] >= 3
    assert job["ttlSecondsAfterFinished"] > 0
    pod = job["template"]["spec"]
    assert (pod["restartPolicy"], pod["terminationGracePeriodSeconds"]) == ("Never", 60)
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"] == {"memory": "256Mi"}
    assert {next(iter(set(volume) - {"name"})) for volume in pod["volumes"]} == {"configMap", "emptyDir"}
    assert {each["mountPath"] for each in container["volumeMounts"]} == {"/etc/canary", "/tmp"}  # noqa: S108 - in the pod


def test_nobody_evicts_it_for_tidiness_and_no_sidecar_keeps_it_alive(
    objects: Objects, minimal: str, job_values: dict[str, str]
) -> None:
    template = job_of(objects(minimal, **job_values))["spec"]["template"]
    annotations, labels = template["metadata"]["annotations"], template["metadata"]["labels"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert annotations["karpenter.sh/do-not-disrupt"] == "true"
    assert labels["sidecar.istio.io/inject"] == annotations["sidecar.istio.io/inject"] == "false"
    assert annotations["linkerd.io/inject"] == "disabled"
    lost = {each["key"]: each["tolerationSeconds"] for each in template["spec"]["tolerations"]}
    assert lost == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}


def test_values_of_the_user_win_over_ours_and_stand_beside_them(
    objects: Objects, minimal: str, job_values: dict[str, str]
) -> None:
    words = (
        *("--set-json", 'job.podAnnotations={"linkerd.io/inject": "enabled", "team": "pay"}'),
        *("--set-json", 'job.volumes=[{"name": "token", "secret": {"secretName": "prometheus"}}]'),
        *("--set-json", 'job.volumeMounts=[{"name": "token", "mountPath": "/var/run/secrets/prometheus"}]'),
        *("--set-json", 'job.tolerations=[{"key": "spot", "operator": "Exists"}]'),
    )
    template = job_of(objects(minimal, *words, **job_values))["spec"]["template"]
    annotations = template["metadata"]["annotations"]
    assert (annotations["linkerd.io/inject"], annotations["team"]) == ("enabled", "pay")
    assert annotations["karpenter.sh/do-not-disrupt"] == "true"
    assert [volume["name"] for volume in template["spec"]["volumes"]] == ["release", "tmp", "token"]
    assert len(template["spec"]["containers"][0]["volumeMounts"]) == 3
    assert len(template["spec"]["tolerations"]) == 3


# Deadlines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deadline", "drain"),
    [(None, None), ("2h", "30s"), ("1h30m", "5m"), ("1d", "500ms"), ("3h", "0"), ("45m1s", "1m1s")],
)
def test_the_engine_ends_a_release_before_the_job_does(
    objects: Objects, minimal: str, job_values: dict[str, str], deadline: str | None, drain: str | None
) -> None:
    text = minimal + (f"  deadline: {deadline}\n" if deadline else "") + (f"  drain: {drain}\n" if drain else "")
    file = parse(text.encode(), file="release.yaml")
    policy = policy_of(file, exact_split=True)
    given = job_of(objects(text, **job_values))["spec"]["activeDeadlineSeconds"]
    # The last call for a rollback, its drain, and two engines that had to be waited for.
    assert given >= policy.last_call + policy.drain + 2 * (LEASE_SILENCE + START)
    assert given <= policy.last_call + policy.drain + 601


def test_a_deadline_that_is_too_short_is_refused(
    objects: Objects, helm: Any, minimal: str, job_values: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "release.yaml"
    file.write_text(minimal)
    ran = helm.render(file, **job_values, **{"job.activeDeadlineSeconds": "8429"})
    assert ran.code != 0
    assert "needs at least 8430" in ran.err
    longer = job_of(objects(minimal, **job_values, **{"job.activeDeadlineSeconds": "9000"}))
    assert longer["spec"]["activeDeadlineSeconds"] == 9000


# Identity ---------------------------------------------------------------------------------------------------------


def test_the_same_release_has_the_same_name_and_any_other_another(
    objects: Objects, minimal: str, job_values: dict[str, str]
) -> None:
    def name(text: str = minimal, **changed: str) -> str:
        made = str(job_of(objects(text, **{**job_values, **changed}))["metadata"]["name"])
        assert len(made) <= 63
        return made

    first = name()
    assert name() == first
    others = {
        name(minimal + "# another\n"),
        name(**{"release.image": "registry.test/app@sha256:" + "b" * 64}),
        name(**{"release.attempt": "2"}),
        name(minimal.replace("service: user-service,", "service: user-service-with-a-name-as-long-as-names-may-be,")),
    }
    assert first not in others
    assert len(others) == 4


def test_neither_the_job_nor_its_file_goes_with_an_upgrade(
    objects: Objects, minimal: str, job_values: dict[str, str]
) -> None:
    rendered = objects(minimal, **job_values)
    job = job_of(rendered)
    (file,) = (each for (kind, _), each in rendered.items() if kind == "ConfigMap" and "release.yaml" in each["data"])
    for each in (job, file):
        assert each["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        # Applying what another version of the chart rendered changes nothing, for which CI has no right.
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(each["metadata"]["labels"])
    assert file["immutable"] is True
    assert job["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == file["metadata"]["name"]
    installed = objects(minimal)
    assert {kind for kind, _ in installed} == {"ServiceAccount", "Role", "RoleBinding", "ConfigMap"}
    assert not any("release.yaml" in each.get("data", {}) for each in installed.values())


@pytest.mark.parametrize(
    "text",
    [
        "{minimal}",
        "# first\r\n{minimal}",
        "\n\n{minimal}\n\n",
        "{minimal}# $x {{{{ .Values }}}} <&> \u00fc \t end",
    ],
)
def test_the_release_file_arrives_as_it_was_written(
    objects: Objects, minimal: str, job_values: dict[str, str], text: str
) -> None:
    written = text.format(minimal=minimal)
    rendered = objects(written, **job_values)
    (file,) = (each for (kind, _), each in rendered.items() if kind == "ConfigMap" and "release.yaml" in each["data"])
    assert file["data"]["release.yaml"] == written.rstrip() + "\n"
