"""What goes into a request from the command line: the prompt, and what options hold or name as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Unpack

import typer
from dragoman import Options, Prompt, v1
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


def asked(argument: str | None, *, raw: bool, system: str | None) -> Prompt:
    """The prompt as a message of the user or, where it is `raw`, as it stands."""
    if raw and system is not None:
        raise typer.BadParameter("a raw prompt has no system message: write it into the prompt", param_hint="--system")
    text = prompt_text(argument)
    return v1.CompletionRequest(prompt=text) if raw else text


def request_for(prompt: Prompt, model: str, **options: Unpack[Options]) -> v1.CompletionRequest:
    """The request that the command line asks for; a usage error for what cannot even be sent."""
    try:
        return completion_request(prompt, model, options)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None


def json_option(name: str, value: str) -> str:
    """JSON text: the value of the option itself where it is an object or a list, else the file of that name."""
    text = value if value.lstrip().startswith(("{", "[")) else _read(Path(value), name)
    try:
        json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise typer.BadParameter(f"is no JSON: {wrong}", param_hint=name) from None
    return text


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else "it is no UTF-8 text"
        raise typer.BadParameter(f"{path} cannot be read: {reason}", param_hint=option) from None
