"""Writes a run into its page: the tables between two marks, the plot and the figures beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relaying.processes import BENCH
from relaying.results.plot import svg
from relaying.results.table import lines

PAGE = BENCH.parent / "docs" / "performance.md"
_BEGIN, _END = "<!-- from here: bench/relay.py --write -->", "<!-- to here -->"


def write(result: Mapping[str, Any], page: Path = PAGE) -> None:
    """Replaces what an earlier run wrote. Raises ValueError if the page has no marks."""
    before, begin, rest = page.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"{page} has no lines {_BEGIN} and {_END}")
    told = "\n".join(lines(result))
    picture = f"![CPU of the gateways]({page.stem}.svg)"
    page.write_text(f"{before}{begin}\n{picture}\n\n```\n{told}\n```\n{end}{after}")
    page.with_suffix(".svg").write_text(svg(result["figures"]))
    page.with_suffix(".json").write_text(dumped(result))


def dumped(result: Mapping[str, Any]) -> str:
    """The result as JSON."""
    return json.dumps(result, indent=1, ensure_ascii=False) + "\n"
