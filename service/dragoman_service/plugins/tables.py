"""A plugin's table of the settings, read into what the plugin's function is annotated to take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import TypeAdapter

_OURS = frozenset({"plugin", "filters", "concurrency", "queue"})


def annotation(function: Callable[..., Any]) -> Any:
    """The annotation of the first parameter: a dataclass, a pydantic model or a mapping (the default)."""
    parameters = list(inspect.signature(function).parameters)
    hints = get_type_hints(function)
    return hints.get(parameters[0], dict[str, Any]) if parameters else dict[str, Any]


def read_table(function: Callable[..., Any], table: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> Any:
    """The table as the function takes it, without the service's keys: `plugin`, `filters`, `concurrency`, `queue`.

    Raises pydantic's ValidationError.

    `context` may hold `base`, the folder of relative paths, and `warnings`, a list that gets warnings.
    """
    section = {key: value for key, value in table.items() if key not in _OURS}
    return TypeAdapter(annotation(function)).validate_python(section, context=dict(context or {}))
