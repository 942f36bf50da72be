"""`dragoman keys`: creates API keys; the service stores only their hashes."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import Annotated

import typer

KEY_PREFIX = "dgm_"  # lets secret scanners recognise a leaked key
KEY_BYTES = 32

app = typer.Typer(no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Create API keys."""


@app.command()
def create(
    caller: Annotated[
        str, typer.Argument(metavar="ID", help="The caller that will hold the key and own its operations.")
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Models it may use, such as 'local/*'. Repeatable. Default: all."),
    ] = None,
) -> None:
    """Create a key. It is shown only once; the settings hold its hash."""
    from dragoman_service.cli.terminal.output import note, write_line

    patterns = models or []
    _validate(caller, patterns)
    key = KEY_PREFIX + secrets.token_urlsafe(KEY_BYTES)
    note(f"API key of {caller}. It is shown only once. Clients read it from DRAGOMAN_API_KEY.\n")
    write_line(key)
    note("\nAdd this to the settings file of the service. It holds only the hash of the key:\n")
    write_line(settings_block(caller, key, patterns))


def settings_block(caller: str, key: str, models: Sequence[str]) -> str:
    """The table of the settings file (TOML) that admits `key`."""
    lines = ["[[access.keys]]", f"id = {json.dumps(caller)}", f'sha256 = "{hashlib.sha256(key.encode()).hexdigest()}"']
    if models:
        lines.append(f"models = {json.dumps(list(models), ensure_ascii=False)}")
    return "\n".join(lines)


def _validate(caller: str, models: Sequence[str]) -> None:
    """A usage error for values that the settings would reject."""
    from pydantic import TypeAdapter, ValidationError

    from dragoman_service.settings.strings import CALLER_ID, CallerId

    try:
        TypeAdapter(CallerId).validate_python(caller)
    except ValidationError:
        raise typer.BadParameter(
            f"should be {CALLER_ID}",
            param_hint="ID",
        ) from None
    if not all(pattern and pattern.isprintable() for pattern in models):
        raise typer.BadParameter(
            "should be the name of a model, where '*' matches any characters", param_hint="--models"
        )
