"""Builds a request from the command line: the prompt, and options that take JSON or a file of it."""

from __future__ import annotations

import json
import mimetypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import typer
from dragoman import Options, Prompt, v1
from dragoman.request import completion_request

from dragoman_service.settings.reading.text import decode_text


def prompt_text(argument: str | None) -> str:
    """The prompt: the argument, or stdin if the argument is `-` or missing. A usage error if stdin is a terminal."""
    if argument is not None and argument != "-":
        return argument
    if argument is None and sys.stdin.isatty():
        raise typer.BadParameter("give a prompt, or pipe one in", param_hint="PROMPT")
    try:
        return decode_text(sys.stdin.buffer.read()).removesuffix("\n")
    except UnicodeDecodeError:
        raise typer.BadParameter("stdin is not valid UTF-8", param_hint="PROMPT") from None
    except OSError as error:
        raise typer.BadParameter(f"stdin cannot be read: {error.strerror}", param_hint="PROMPT") from None


def build_prompt(argument: str | None, files: Sequence[str] = (), *, raw: bool, system: str | None) -> Prompt:
    """The prompt as a user message with `files` or, if `raw`, as text that the model continues without a template."""
    if raw and system is not None:
        raise typer.BadParameter(
            "cannot be combined with --raw: put the instructions into the prompt", param_hint="--system"
        )
    if raw and files:
        raise typer.BadParameter("cannot be combined with --raw, which sends text alone", param_hint="--file")
    attached = [_attached(file) for file in files]
    text = prompt_text(argument)
    if attached:
        return [v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=text), *attached])]
    return v1.CompletionRequest(prompt=text) if raw else text


def build_request(prompt: Prompt, model: str, **options: Unpack[Options]) -> v1.CompletionRequest:
    """The request for a prompt. A usage error if an option has a value that cannot be sent."""
    try:
        return completion_request(prompt, model, options)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None


def json_option(name: str, value: str) -> str:
    """The JSON text of an option: `value` itself if it is an object or a list, else the content of that file."""
    text = value if value.lstrip().startswith(("{", "[")) else _read(Path(value), name)
    try:
        json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise typer.BadParameter(f"is not valid JSON: {wrong}", param_hint=name) from None
    return text


def _attached(file: str) -> v1.Part:
    """The bytes of a local file, or an address, which the provider reads."""
    kind = mimetypes.guess_type(file, strict=False)[0] or ""
    if "://" in file:
        return v1.Part(file=v1.File(uri=file, media_type=kind))
    if not kind:
        ending = "has no ending that tells its type, such as .png or .pdf"
        raise typer.BadParameter(f"{file} {ending}", param_hint="--file")
    try:
        return v1.Part(blob=v1.Blob(media_type=kind, data=Path(file).read_bytes(), name=Path(file).name))
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="--file") from None


def _read(path: Path, option: str) -> str:
    try:
        return decode_text(path.read_bytes())
    except (OSError, UnicodeDecodeError) as wrong:
        reason = wrong.strerror if isinstance(wrong, OSError) else "it is not valid UTF-8"
        raise typer.BadParameter(f"{path} cannot be read: {reason}", param_hint=option) from None
