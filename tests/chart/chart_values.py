"""The chart, values for it, and what `render` and `refuse` of conftest.py give."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/dragoman"
READ = "import json, sys, yaml; print(json.dumps([d for d in yaml.safe_load_all(sys.stdin) if d]))"
BASE = {"image": {"repository": "registry.example/dragoman"}, "settings": {"access": {"anonymous": True}}}
DATABASE = {"database": {"existingSecret": "dragoman-database"}}

Objects = dict[str, dict[str, Any]]
Render = Callable[..., Objects]
Refuse = Callable[..., str]


def merged(*trees: dict[str, Any]) -> dict[str, Any]:
    """The trees in one; the later wins."""
    result: dict[str, Any] = {}
    for tree in trees:
        for key, value in tree.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    """The pod's spec."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec
