"""What an engine in a Job does besides: it tells the Job, and ends at once when the Job's release has ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from canary.core.outcome import MEANING, ExitCode

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.ports import Reporters


def of_our_job(
    api: Api, *, namespace: str, say: Callable[[str], None]
) -> tuple[Callable[[], ExitCode] | None, Reporters]:
    """What runs in place of an engine where the Job's release has ended already, else None; and who tells the Job."""
    from canary.adapters.kubernetes.own_job import JobReporter, own_job, recorded_end
    from canary.report.lines import line

    told = JobReporter.of_this_pod(api, namespace=namespace, line=line, environment=os.environ)
    job = own_job(os.environ)
    ended = recorded_end(api, namespace=namespace, job=job) if job else None
    if ended is None:
        return None, told
    code = ended

    def run() -> ExitCode:
        say(f"this Job's release has ended already, with {int(code)}: {MEANING[code]}")
        return code

    return run, told
