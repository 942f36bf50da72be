"""Runs the demo scene by scene; checks each one, and exits with code 0 only if all show what they promise."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer
from dragoman import Client, DragomanError, text_of, v1

from dragoman_service.cli import local
from dragoman_service.cli.demo import scenes
from dragoman_service.cli.demo.service import ServiceError, service
from dragoman_service.cli.demo.stage import Stage, watching
from dragoman_service.cli.options.connection import report_failure
from dragoman_service.cli.terminal.exits import ExitCode
from dragoman_service.cli.terminal.output import error, note
from dragoman_service.cli.terminal.wording import seconds_between, usage_line
from dragoman_service.providers.local.weights.weights import WeightsError, find_weights

MIN_PIECES = 5  # fewer would not be token by token
NEXT = """
This model has 135 million parameters: it is good for demos, tests and wiring,
not for advice. Next, in two terminals:
  {0} serve
  {0} complete "What is the capital of France?\""""


class NotShownError(Exception):
    """A scene did not show what it promises."""


def run() -> None:
    """Runs all scenes; exits with code 1 if one fails."""
    signal.signal(signal.SIGTERM, _leave)
    stage = Stage()
    _ensure_weights(stage)
    try:
        with tempfile.TemporaryDirectory(prefix="dragoman-demo-") as folder:
            _run(stage, Path(folder))
    except DragomanError as failure:
        report_failure(failure)
    except ServiceError as failure:
        error(f"the service did not start. The end of its log:\n{failure}")
    except NotShownError as failure:
        error(str(failure))
    except KeyboardInterrupt:
        note("\nInterrupted.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    else:
        stage.say(NEXT.format(_program_name()))
        return
    raise typer.Exit(ExitCode.FAILED)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Exits by an exception, so that the service is stopped too."""
    sys.exit(128 + number)


def _program_name() -> str:
    """The command that runs this program again."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "dragoman" and not shutil.which("dragoman") else "dragoman"


def _ensure_weights(stage: Stage) -> None:
    try:
        find_weights(None)
    except WeightsError:
        stage.say("The first run downloads the weights of the embedded model (93 MB).")
        local.fetch()


def _run(stage: Stage, folder: Path) -> None:
    stage.say("Starting a service on the embedded model…")
    began = time.monotonic()
    with service(folder) as address, Client(address, api_key="") as client:
        stage.say(f"Ready after {time.monotonic() - began:.1f} s. Below, `client` is dragoman.Client({address!r}).")
        _complete(stage, client)
        text = _stream(stage, client)
        _complete_json(stage, client)
        _start(stage, client, text)


def _complete(stage: Stage, client: Client) -> None:
    stage.scene(1, "A complete answer", scenes.complete)
    completion = scenes.complete(client)
    _require(bool(text_of(completion).strip()), "the model returned no text")
    stage.say(text_of(completion).strip())
    stage.facts(_facts(completion))


def _stream(stage: Stage, client: Client) -> str:
    stage.scene(2, "A stream, token by token", scenes.stream)
    events = scenes.stream(client)
    completion = events[-1].finished.completion
    pieces = [event for event in events if event.HasField("delta")]
    times = {event.event_time.ToNanoseconds() for event in pieces}
    _require(len(times) >= MIN_PIECES, f"the stream arrived in only {len(times)} pieces")
    _require(
        "".join(piece.delta.text for piece in pieces) == text_of(completion), "the pieces do not add up to the answer"
    )
    stage.say("")
    first = seconds_between(completion.create_time, pieces[0].event_time)
    stage.facts(f"{_facts(completion)}, {len(pieces)} pieces, the first after {first:.2f} s")
    return text_of(completion)


def _complete_json(stage: Stage, client: Client) -> None:
    stage.scene(3, "An answer that must match a JSON schema", scenes.complete_json)
    completion = scenes.complete_json(client)
    _require(_matches_schema(text_of(completion)), f"the answer does not match the schema: {text_of(completion)}")
    stage.say(text_of(completion))
    stage.facts(_facts(completion))


def _matches_schema(text: str) -> bool:
    try:
        answer = json.loads(text)
    except ValueError:
        return False
    match answer:
        case {
            "city": str(),
            "country": str(),
            "continent": "Africa" | "America" | "Asia" | "Europe",
            "is_capital": bool(),
        }:
            return len(answer) == 4
    return False


def _start(stage: Stage, client: Client, streamed: str) -> None:
    stage.scene(4, "The prompt of scene 2 as a long-running operation", scenes.start)
    with watching(stage) as watcher:
        completion = scenes.start(client, watcher)
    _require(watcher.states == ["QUEUED", "RUNNING", "SUCCEEDED"], f"the states were {', '.join(watcher.states)}")
    _require(text_of(completion) == streamed, "the operation's answer differs from the streamed one")
    stage.say("\nIts answer is identical to the one streamed above.")
    stage.facts(_facts(completion))


def _facts(completion: v1.Completion) -> str:
    return f"{usage_line(completion)}\n  {seconds_between(completion.create_time, completion.finish_time):.2f} s"


def _require(happened: bool, otherwise: str) -> None:
    if not happened:
        raise NotShownError(otherwise)
