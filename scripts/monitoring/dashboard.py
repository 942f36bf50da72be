"""Writes the dashboard for Grafana: `dashboard.py` writes deploy/observability/dashboard.json, `dashboard.py check`
fails if that is not what it would write.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from panels import ROWS, Panel

FILE = Path(__file__).resolve().parents[2] / "deploy/observability/dashboard.json"
WIDTH, HEIGHT, ACROSS = 8, 8, 24  # of a panel, and of the grid
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLES: list[dict[str, Any]] = [
    {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
    {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(dragoman_build_info, job)", "refId": "job"},
        "definition": "label_values(dragoman_build_info, job)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    },
]


def main() -> None:
    text = json.dumps(dashboard(), indent=2) + "\n"
    if sys.argv[1:] != ["check"]:
        FILE.parent.mkdir(parents=True, exist_ok=True)
        FILE.write_text(text)
    elif not FILE.is_file() or FILE.read_text() != text:
        sys.exit(f"{FILE} is not up to date: run {sys.argv[0]}")


def dashboard() -> dict[str, Any]:
    return {
        "title": "Dragoman",
        "uid": "dragoman",
        "tags": ["dragoman"],
        "description": "Made by scripts/monitoring/dashboard.py; see docs/monitoring.md.",
        "schemaVersion": 38,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": VARIABLES},
        "panels": list(placed()),
    }


def placed() -> Iterator[dict[str, Any]]:
    """All panels, each below the title of its row, three across."""
    number, top = 0, 0
    for title, panels in ROWS:
        number += 1
        yield {"id": number, "type": "row", "title": title, "gridPos": _place(0, top, ACROSS, 1), "panels": []}
        top += 1
        for index, panel in enumerate(panels):
            number += 1
            column, row = index * WIDTH % ACROSS, index * WIDTH // ACROSS
            yield {"id": number, "gridPos": _place(column, top + row * HEIGHT, WIDTH, HEIGHT), **drawn(panel)}
        top += HEIGHT * -(-len(panels) * WIDTH // ACROSS)


def drawn(panel: Panel) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        for index, (expression, legend) in enumerate(panel.lines)
    ]
    look = {"custom": {"showPoints": "never", "fillOpacity": 8}} if panel.kind == "timeseries" else {}
    options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, **look}, "overrides": []},
        "options": options if panel.kind == "timeseries" else {"reduceOptions": {"calcs": ["lastNotNull"]}},
        "targets": targets,
    }


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


if __name__ == "__main__":
    main()
