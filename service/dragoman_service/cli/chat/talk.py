"""The loop of a conversation: reads a line, obeys or answers it, until the input ends."""

from __future__ import annotations

import asyncio
import sys

from dragoman import AsyncClient, DragomanError

from dragoman_service.cli.chat import commands
from dragoman_service.cli.chat.answering import Ending, answer
from dragoman_service.cli.chat.conversation import Conversation
from dragoman_service.cli.chat.reading import Reader, Unreadable
from dragoman_service.cli.options.connection import report_failure
from dragoman_service.cli.terminal.exits import ExitCode
from dragoman_service.cli.terminal.output import note, write


def talk(client: AsyncClient, conversation: Conversation, *, timeout: float | None, usage: bool) -> int:
    """Runs the conversation to its end. Returns the exit code: on a terminal 0, whatever happened to answers.

    Without a terminal it is 1 if a line failed, and 130 after Ctrl-C.
    """
    with asyncio.Runner() as runner:
        try:
            return _Talk(client, conversation, runner, timeout=timeout, usage=usage).run()
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
        finally:
            runner.run(client.close())


class _Talk:
    def __init__(
        self,
        client: AsyncClient,
        conversation: Conversation,
        runner: asyncio.Runner,
        *,
        timeout: float | None,
        usage: bool,
    ) -> None:
        self._client, self._conversation, self._runner = client, conversation, runner
        self._timeout, self._usage = timeout, usage
        self._reader = Reader()
        self._has_failed = False

    def run(self) -> int:
        if self._reader.is_terminal:
            note(f"Talking with {self._conversation.settings.model}. /help shows the commands, Ctrl-D ends the talk.")
        while (line := self._next()) is not None:
            try:
                self._obey_or_answer(line)
            except KeyboardInterrupt:  # after the end of the answer, or twice
                self._leave_unless_terminal()
        return ExitCode.FAILED if self._has_failed and not self._reader.is_terminal else 0

    def _next(self) -> str | None:
        """The next line that is not empty. None at the end of the talk."""
        while True:
            try:
                line = self._reader.read()
            except Unreadable:
                self._fail("that line is not valid UTF-8")
            except KeyboardInterrupt:
                self._leave_unless_terminal()
                note("\nCtrl-D or /quit ends the talk.")
            else:
                if line is None:
                    self._end_line()
                    return None
                if line.strip():
                    return None if (commands.command_in(line) or ("",))[0] == "quit" else line

    def _obey_or_answer(self, line: str) -> None:
        if command := commands.command_in(line):
            self._runner.run(self._obey(*command))
            return
        question = commands.question_in(line)
        ending = self._runner.run(
            answer(self._client, self._conversation, question, longest=self._timeout, usage=self._usage)
        )
        self._has_failed |= ending is Ending.FAILED
        if ending is Ending.STOPPED:
            self._leave_unless_terminal()

    async def _obey(self, name: str, argument: str) -> None:
        try:
            if not await commands.run(self._client, self._conversation, name, argument):
                self._fail(f"/{name} is no command: /help shows them")
        except DragomanError as failure:
            report_failure(failure)
            self._has_failed = True

    def _fail(self, text: str) -> None:
        note(f"error: {text}")
        self._has_failed = True

    def _leave_unless_terminal(self) -> None:
        if not self._reader.is_terminal:
            raise KeyboardInterrupt

    def _end_line(self) -> None:
        """Ends the line of the prompt, so that the shell's begins on one of its own."""
        if self._reader.is_terminal and sys.stdout.isatty():
            write("\n")
