"""Renders the Helm chart with `helm template`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chart_values import BASE, CHART, READ, ROOT, Objects, Refuse, Render, merged


@pytest.fixture(scope="session")
def helm() -> str:
    found = shutil.which("helm", path=os.pathsep.join([os.environ["PATH"], str(ROOT / "build/helm/bin")]))
    return found or pytest.skip("helm is missing: `make helm` builds it")


@pytest.fixture
def template(helm: str, tmp_path: Path) -> Callable[[dict[str, Any]], subprocess.CompletedProcess[str]]:
    def run(values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        (tmp_path / "values.json").write_text(json.dumps(values))
        command = [helm, "template", "gateway", CHART, "--kube-version", "1.37", "--values", tmp_path / "values.json"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def render(template: Callable[[dict[str, Any]], subprocess.CompletedProcess[str]]) -> Render:
    """The objects of a release with these values, by kind; several of a kind as `Kind/name`."""

    def objects(*values: dict[str, Any]) -> Objects:
        done = template(merged(BASE, *values))
        assert done.returncode == 0, done.stderr
        read = [ROOT / ".tools/bin/python", "-c", READ]
        documents = json.loads(
            subprocess.run(read, input=done.stdout, capture_output=True, text=True, check=True).stdout
        )
        by_name = {f"{one['kind']}/{one['metadata']['name']}": one for one in documents}
        return by_name | {one["kind"]: one for one in reversed(documents)}

    return objects


@pytest.fixture
def refuse(template: Callable[[dict[str, Any]], subprocess.CompletedProcess[str]]) -> Refuse:
    """The message with which the chart refuses these values."""

    def message(*values: dict[str, Any]) -> str:
        done = template(merged(BASE, *values))
        assert done.returncode != 0
        return done.stderr

    return message
