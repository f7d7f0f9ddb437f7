"""Which release it is: two submissions of the same one must find each other, and any two others never."""

from __future__ import annotations

import hashlib
import json
import re

from canary.spec import Release, normalised

SERVICE_LABEL = "canary-engine.io/service"
"""On the Job and its pods: stable's Service. By it all releases of a service are listed."""

NAME_ROOM = 45
"""Characters of a Job's name for the service: with hash and attempt it stays below the 63 of a label."""

HASH = 10
"""Hex digits of the identity in a name; the whole is in an annotation."""

_PINNED = re.compile(r"@sha256:[0-9a-f]{64}\Z")


def identity_of(file: Release) -> str:
    """What makes two release files the same release: the hash of their normalised form.

    Namespace, service and image are parts of it; comments, order and spelling of quantities are not.
    """
    text = json.dumps(normalised(file), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def job_name(service: str, identity: str, attempt: int) -> str:
    """Short service, hash, attempt: at most 63 characters.

    Args:
        service: stable's.
        identity: of the release.
        attempt: from 1.
    """
    return f"{f'canary-{service}'[:NAME_ROOM].rstrip('-')}-{identity[:HASH]}-{attempt}"


def pinned(image: str) -> bool:
    """Whether a reference says exactly what runs: it ends in a digest."""
    return _PINNED.search(image) is not None
