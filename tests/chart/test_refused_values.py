"""Values that the chart refuses, each with a sentence that says what to do."""

from __future__ import annotations

from typing import Any

import pytest
from chart_values import DATABASE, Refuse

KEYS = {"access": {"anonymous": False, "keys": [{"id": "team-a", "sha256": "9f" * 32}]}}
SCALED = {"autoscaling": {"enabled": True}}


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"image": {"repository": ""}}, "image.repository is required"),
        ({"replicaCount": 2}, "More than one replica needs PostgreSQL"),
        ({"replicaCount": 2, "settings": {"operations": {"url": "memory:"}}}, "More than one replica needs PostgreSQL"),
        (SCALED, "More than one replica needs PostgreSQL"),
        (DATABASE | SCALED | {"keda": {"enabled": True}}, "Disable one of them"),
        (DATABASE | {"keda": {"enabled": True, "operations": 0}}, "nothing to scale by"),
        ({"settings": {"providers": {"a": {"api_key": "sk-1"}}}}, "settings.providers.a.api_key is written into"),
        ({"settings": {"filters": {"f": {"deep": {"iam_token": "t"}}}}}, "settings.filters.f.deep.iam_token"),
        ({"settings": {"operations": {"url": "postgresql://me:secret@db/d"}}}, "contains a password"),
        ({"settings": {"operations": {"direct_url": "postgresql://me:secret@db/d"}}}, "direct_url contains a password"),
        ({"settings": {"operations": {"url": "postgresql://me@db/d?password=s"}}}, "contains a password"),
        (DATABASE | {"settings": {"operations": {"url": "memory:"}}}, "both name the store"),
        ({"settings": {"server": {"data_dir": "/data"}}}, "settings.server.data_dir is fixed"),
        ({"settings": {"server": {"grace": "20 minutes"}}}, "is not a duration"),
        ({"settings": {"access": {"anonymous": False}}}, "Nobody may call the service yet"),
        ({"settings": KEYS, "serviceMonitor": {"enabled": True}}, "/metrics needs one that may use all models"),
        ({"setings": {}}, "additional properties 'setings' not allowed"),
        ({"settings": {"acces": {}}}, "additional properties 'acces' not allowed"),
        ({"probes": {"liveness": {"initialDelaySeconds": 1}}}, "'initialDelaySeconds' not allowed"),
        ({"replicaCount": "two"}, "want integer"),
    ],
)
def test_values_that_cannot_work_are_refused(refuse: Refuse, values: dict[str, Any], told: str) -> None:
    assert told in refuse(values)


def test_a_refusal_never_repeats_a_secret(refuse: Refuse) -> None:
    message = refuse({"settings": {"providers": {"a": {"api_key": "sk-very-secret"}}}})

    assert "sk-very-secret" not in message
