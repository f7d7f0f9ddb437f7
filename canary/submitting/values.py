"""What an operator decides about every Job: the chart's `job` values, as the chart leaves them in the cluster."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Mapping = dict[str, Any]


class JobValues(BaseModel):
    """The chart's `job` values; `charts/canary/values.yaml` says what each is for, and a test compares the two."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    image: str = ""
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: list[Mapping] = []
    backoff_limit: int = Field(default=6, ge=3)
    active_deadline_seconds: int = Field(default=0, ge=0)
    ttl_seconds_after_finished: int = Field(default=86_400, ge=0)
    termination_grace_period_seconds: int = Field(default=60, ge=30)
    node_loss_seconds: int = Field(default=30, ge=0)
    resources: Mapping = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}
    metrics_port: int = Field(default=0, ge=0, le=65_535)
    user: int = Field(default=65_532, ge=1)
    priority_class_name: str = ""
    node_selector: dict[str, str] = {}
    affinity: Mapping = {}
    tolerations: list[Mapping] = []
    pod_annotations: dict[str, str] = {}
    pod_labels: dict[str, str] = {}
    env: list[Mapping] = []
    volumes: list[Mapping] = []
    volume_mounts: list[Mapping] = []
