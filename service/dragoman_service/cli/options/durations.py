"""Options that are durations."""

from __future__ import annotations

from typing import Annotated

import typer


def seconds(text: str) -> float:
    """The seconds in a text such as `90`, `90s`, `250ms`, `5m` or `1h`."""
    from pydantic import TypeAdapter, ValidationError

    from dragoman_service.settings.types import Duration

    try:
        return TypeAdapter[float](Duration).validate_python(text)
    except ValidationError:
        raise typer.BadParameter("should be a number with a unit (ms, s, m, h, d), such as '20s'") from None


Timeout = Annotated[
    float | None, typer.Option("--timeout", parser=seconds, metavar="TIME", help="Longest wait, such as 30s or 5m.")
]
