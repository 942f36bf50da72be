"""What goes into a request from the command line: the prompt, and the schema that the answer must fit."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Unpack

import typer
from dragoman import Options, v1
from dragoman.request import completion_request


def prompt_text(argument: str | None) -> str:
    """The prompt: the argument, or stdin where it is `-` or left out and something is piped in."""
    if argument is not None and argument != "-":
        return argument
    if argument is None and sys.stdin.isatty():
        raise typer.BadParameter("give a prompt, or pipe one in", param_hint="PROMPT")
    try:
        return sys.stdin.read().removesuffix("\n")
    except UnicodeDecodeError:
        raise typer.BadParameter("stdin is no UTF-8 text", param_hint="PROMPT") from None


def request_for(prompt: str, model: str, **options: Unpack[Options]) -> v1.CompletionRequest:
    """The request that the command line asks for; a usage error for what cannot even be sent."""
    try:
        return completion_request(prompt, model, options)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None


def schema_text(option: str) -> str:
    """The JSON Schema: the option itself where it is a JSON object, else the file of that name."""
    text = option if option.lstrip().startswith("{") else _read(Path(option))
    try:
        json.loads(text)
    except ValueError as wrong:
        raise typer.BadParameter(f"is no JSON: {wrong}", param_hint="--schema") from None
    return text


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else "it is no UTF-8 text"
        raise typer.BadParameter(f"{path} cannot be read: {reason}", param_hint="--schema") from None
