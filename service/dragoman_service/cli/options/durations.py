"""An option that is a length of time."""

from __future__ import annotations

from typing import Annotated

import typer


def seconds(text: str) -> float:
    """`90`, `90s`, `250ms`, `5m` or `1h` in seconds."""
    from pydantic import TypeAdapter, ValidationError

    from dragoman_service.settings.types import Duration

    try:
        return TypeAdapter[float](Duration).validate_python(text)
    except ValidationError:
        raise typer.BadParameter("should be a number with a unit (ms, s, m, h, d), as in '20s'") from None


Timeout = Annotated[
    float | None, typer.Option("--timeout", parser=seconds, metavar="TIME", help="How long to wait, as in 30s or 5m.")
]
