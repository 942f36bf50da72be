"""Draws the CPU of the gateways as bars on a logarithmic scale, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from relaying.gateways import DIRECT
from relaying.ours import OURS
from relaying.results.table import COSTS, Told

_NAMES, _PLOT, _VALUES = 190, 420, 80  # widths: of the names, the longest bar, the figures
_BAR, _GAP, _HEAD = 16, 5, 34  # heights
_OURS, _OTHERS = "#2f6fb4", "#9aa4ae"
_STYLE = "text{font:12px sans-serif;fill:#3b434b}.head{font-weight:bold}svg{background:#fff}"
_TITLES = {"a call": "A call", "packed": "A token, packed", "each": "A token, each", "paced": "A token, paced"}


def svg(told: Told) -> str:
    """The picture: one group of bars a load, the same scale in all of them."""
    shown = [target for target in told if target != DIRECT]
    costs = {title: {target: told[target][load]["gateway_cpu_us"] for target in shown} for title, load in COSTS.items()}
    every = [cost for group in costs.values() for cost in group.values()]
    least, most = 10 ** math.floor(math.log10(min(every))), max(every)
    height = len(costs) * (_HEAD + len(shown) * (_BAR + _GAP)) + _GAP
    width = _NAMES + _PLOT + _VALUES
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">']
    parts.append("<title>CPU time of each gateway for a call and for a token</title>")
    parts.append(f"<style>{_STYLE}</style>")
    top = 0
    for title, group in costs.items():
        parts += _group(_TITLES[title], group, top, least, most)
        top += _HEAD + len(group) * (_BAR + _GAP)
    return "\n".join([*parts, "</svg>", ""])


def _group(title: str, costs: dict[str, float], top: int, least: float, most: float) -> Iterator[str]:
    yield f'<text class="head" x="8" y="{top + 22}">{title}: µs of CPU, logarithmic</text>'
    ours = {own.name for own in OURS}
    for number, (target, cost) in enumerate(costs.items()):
        y = top + _HEAD + number * (_BAR + _GAP)
        length = max(_PLOT * math.log(cost / least) / math.log(most / least), 1)
        color = _OURS if target in ours else _OTHERS
        yield f'<text x="{_NAMES - 8}" y="{y + 12}" text-anchor="end">{escape(target)}</text>'
        yield f'<rect x="{_NAMES}" y="{y}" width="{length:.1f}" height="{_BAR}" fill="{color}"/>'
        yield f'<text x="{_NAMES + length + 6:.1f}" y="{y + 12}">{_figure(cost)}</text>'


def _figure(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 100 else f"{cost:.1f}"
