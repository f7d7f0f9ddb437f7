"""What a Prometheus that is made up answers, and what must hold for every trouble with it."""

from __future__ import annotations

from typing import Any

from analysis.sources import Reading, Trouble

URL = "http://prometheus.test:9090"
QUERY = f"{URL}/api/v1/query"
SECRET = "s3cr3t-t0ken-that-must-not-be-shown"  # noqa: S105 - tests look for it in every sentence


def matrix(*series: tuple[dict[str, str], list[Any]], **more: Any) -> dict[str, Any]:
    result = [{"metric": {"__name__": "requests_total"} | labels, "values": values} for labels, values in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}


def troubled(reading: Reading, trouble: Trouble, *words: str) -> str:
    assert reading.trouble is trouble, reading
    assert reading.samples == ()
    for word in words:
        assert word in reading.sentence
    assert SECRET not in reading.sentence
    assert "\n" not in reading.sentence
    assert len(reading.sentence) < 500
    return reading.sentence
