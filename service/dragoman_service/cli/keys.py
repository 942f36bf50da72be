"""`dragoman keys`: API keys, of which the service keeps only the hash."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import Annotated

import typer

KEY_PREFIX = "dgm_"  # lets scanners for leaked secrets recognise a key
KEY_BYTES = 32

app = typer.Typer(no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Make API keys."""


@app.command()
def create(
    caller: Annotated[str, typer.Argument(metavar="ID", help="Who will hold the key: the owner of its operations.")],
    models: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="A model that it may use, as in 'local/*'. Repeatable; none: all models."),
    ] = None,
) -> None:
    """Make a key: it is shown once, and the settings hold only its hash."""
    from dragoman_service.cli.terminal.output import note, write_line

    patterns = models or []
    _ensure_accepted(caller, patterns)
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    note(f"The key of {caller}, shown this once. Clients take it from DRAGOMAN_API_KEY.\n")
    write_line(key)
    note("\nFor the settings file of the service, which needs only the key's hash:\n")
    write_line(settings_block(caller, key, patterns))


def settings_block(caller: str, key: str, models: Sequence[str]) -> str:
    """The TOML table that admits `key`."""
    lines = ["[[access.keys]]", f"id = {json.dumps(caller)}", f'sha256 = "{hashlib.sha256(key.encode()).hexdigest()}"']
    if models:
        lines.append(f"models = {json.dumps(list(models), ensure_ascii=False)}")
    return "\n".join(lines)


def _ensure_accepted(caller: str, models: Sequence[str]) -> None:
    """Refuses what the settings would refuse."""
    from pydantic import TypeAdapter, ValidationError

    from dragoman_service.settings.settings import CallerId

    try:
        TypeAdapter(CallerId).validate_python(caller)
    except ValidationError:
        raise typer.BadParameter(
            "an id has 1 to 63 characters: letters, digits, '.', '_', '@' and '-', a letter or digit first",
            param_hint="ID",
        ) from None
    if not all(pattern and pattern.isprintable() for pattern in models):
        raise typer.BadParameter("a pattern is a model's name, '*' for any characters", param_hint="--models")
