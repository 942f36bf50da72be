"""Asks for an answer, shows it as it arrives, and keeps it in the conversation."""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import aclosing
from enum import Enum, auto

from dragoman import AsyncClient, DragomanError, v1

from dragoman_service.cli.chat.conversation import Conversation, partial
from dragoman_service.cli.options.connection import report_failure
from dragoman_service.cli.quotas.money import dollars
from dragoman_service.cli.terminal.live_text import LiveText
from dragoman_service.cli.terminal.output import dim, note
from dragoman_service.cli.terminal.wording import usage_line, withheld_line


class Ending(Enum):
    """How an answer ended."""

    COMPLETE = auto()
    STOPPED = auto()
    FAILED = auto()


class Answer:
    """One answer on its way: what was shown of it, and when."""

    def __init__(self) -> None:
        self.text = ""
        self.completion: v1.Completion | None = None
        self._live = LiveText()
        self._began = time.monotonic()
        self._first: float | None = None

    def show(self, event: v1.CompletionEvent) -> None:
        """Shows an event."""
        self._live.show(event)
        if event.HasField("retracted"):
            self.text, self._first = "", None
        elif event.HasField("finished"):
            self.completion = event.finished.completion
        elif piece := event.delta.text or event.delta.refusal:
            self.text += piece
            self._first = self._first or time.monotonic() - self._began

    def end(self) -> None:
        """Ends the line of what was shown."""
        self._live.end()

    def facts(self, completion: v1.Completion) -> str:
        """Tokens, times and cost, in one line."""
        facts = [usage_line(completion), f"{time.monotonic() - self._began:.1f} s"]
        if self._first is not None:
            facts[-1] += f", the first text after {self._first:.2f} s"
        if completion.usage.HasField("cost_nano_usd"):
            facts.append(f"${dollars(completion.usage.cost_nano_usd)}")
        return " · ".join(facts)


async def answer(
    client: AsyncClient, conversation: Conversation, question: str, *, longest: float | None, usage: bool
) -> Ending:
    """Streams the answer to `question`. Ctrl-C, which cancels the task, and errors of the service end only the answer.

    `longest` is its timeout in seconds. `usage` shows the tokens where stderr is no terminal too.
    """
    shown = Answer()
    try:
        async with aclosing(client.stream(conversation.request(question), timeout=longest)) as events:
            async for event in events:
                shown.show(event)
    except asyncio.CancelledError:
        return _stopped(shown, conversation, question)
    except DragomanError as failure:
        return _failed(shown, conversation, question, failure)
    shown.end()
    if shown.completion is not None:
        _keep(shown, shown.completion, conversation, question, usage=usage)
    return Ending.COMPLETE


def _keep(shown: Answer, completion: v1.Completion, conversation: Conversation, question: str, *, usage: bool) -> None:
    if withheld := withheld_line(completion):
        note(withheld)
    message = completion.choices[0].message if completion.choices else v1.Message()
    if not conversation.keep(question, message, is_cut=False):
        note("The answer has no text: this turn is not kept in the conversation.")
    if usage or sys.stderr.isatty():
        dim(shown.facts(completion))


def _stopped(shown: Answer, conversation: Conversation, question: str) -> Ending:
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
    shown.end()
    if conversation.keep(question, partial(shown.text), is_cut=True):
        note("Stopped: the conversation keeps the answer up to here.")
    else:
        note("Stopped before the answer began: the conversation does not keep this question.")
    return Ending.STOPPED


def _failed(shown: Answer, conversation: Conversation, question: str, failure: DragomanError) -> Ending:
    shown.end()
    report_failure(failure)
    if conversation.keep(question, partial(shown.text), is_cut=True):
        note("The conversation keeps the answer up to here.")
    else:
        note("The conversation does not keep this question: ask it again.")
    return Ending.FAILED
