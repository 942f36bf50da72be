"""Encodes the turns of a conversation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from dragoman import v1

from dragoman_service.dialects.anthropic.calls import arguments_in
from dragoman_service.dialects.anthropic.client.marks import Marks
from dragoman_service.dialects.anthropic.client.signing import blocks_of_state, thought_of_state
from dragoman_service.dialects.anthropic.media import encode_media
from dragoman_service.dialects.media import is_media
from dragoman_service.dialects.quoting import quoted
from dragoman_service.dialects.turns import with_files
from dragoman_service.errors import FieldViolation, invalid

Wire = dict[str, Any]
_INSTRUCTIONS = (v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER)
_NAMES = {v1.ROLE_ASSISTANT: "assistant", v1.ROLE_SYSTEM: "system", v1.ROLE_DEVELOPER: "system"}
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")


class TurnEncoder:
    """Encodes the messages of one request. State that does not begin with `mark` is not sent.

    With `system_turns` only the instructions at the start are apart from the turns.
    """

    def __init__(self, marks: Marks, mark: bytes, *, system_turns: bool) -> None:
        self._marks = marks
        self._mark = mark
        self._system_turns = system_turns

    def system(self, messages: Sequence[v1.Message]) -> list[Wire]:
        """The blocks of the instructions that stand apart."""
        return [
            block
            for number, message in enumerate(messages)
            if message.role in _INSTRUCTIONS and self._apart(messages, number)
            for block in self._texts(message)
        ]

    def turns(self, messages: Sequence[v1.Message]) -> list[Wire]:
        """The turns. Consecutive tool results are one turn, as the calls that they answer were."""
        kept = [
            message
            for number, message in enumerate(messages)
            if message.role not in _INSTRUCTIONS or not self._apart(messages, number)
        ]
        turns: list[Wire] = []
        for is_tool, group in groupby(kept, lambda message: message.role == v1.ROLE_TOOL):
            if is_tool:
                turns.append({"role": "user", "content": self._results(group)})
                continue
            turns += ({"role": _NAMES.get(message.role, "user"), "content": self._blocks(message)} for message in group)
        return [turn for turn in turns if turn["content"]]  # the vendor takes none without

    def _apart(self, messages: Sequence[v1.Message], number: int) -> bool:
        return not self._system_turns or all(message.role in _INSTRUCTIONS for message in messages[:number])

    def _blocks(self, message: v1.Message) -> list[Wire]:
        if message.role == v1.ROLE_ASSISTANT:
            return [block for part in message.parts for block in self._said(part)]
        return self._texts(message, quote=message.role == v1.ROLE_DATA)

    def _texts(self, message: v1.Message, *, quote: bool = False) -> list[Wire]:
        """The blocks of a message that is not the model's own. The vendor refuses empty text."""
        blocks: list[Wire] = []
        for part in message.parts:
            if is_media(part):
                blocks.append(encode_media(part))
            elif part.text:
                blocks.append({"type": "text", "text": quoted(part.text) if quote else part.text})
            else:
                continue
            self._marks.add(blocks[-1], part)
        return blocks

    def _said(self, part: v1.Part) -> Iterator[Wire]:
        """The blocks of a part of the model's: thinking only if it is the vendor's own, who takes no other."""
        state = part.state.removeprefix(self._mark) if part.state.startswith(self._mark) else b""
        block: Wire
        match part.WhichOneof("content"):
            case "reasoning":
                yield from thought_of_state(part.reasoning.text, state)
                return
            case "tool_call":
                block = self._call(part.tool_call)
            case _:
                block = {"type": "text", "text": part.text or part.refusal}
                if not (block["text"] or state):
                    return
        self._marks.add(block, part)
        yield block
        yield from blocks_of_state(state)

    def _call(self, call: v1.ToolCall) -> Wire:
        arguments = arguments_in(call.arguments_json)
        if arguments is None:
            path = "messages.tool_call.arguments_json"
            raise invalid(FieldViolation(path, "must be a JSON object, because this provider takes nothing else"))
        return {"type": "tool_use", "id": _id(call.id), "name": call.name, "input": arguments}

    def _results(self, messages: Iterator[v1.Message]) -> list[Wire]:
        """Results, each with the files that follow it."""
        results: list[Wire] = []
        for part, files in with_files(part for message in messages for part in message.parts):
            result, media = part.tool_result, [encode_media(file) for file in files]
            texts = [{"type": "text", "text": result.text}] if result.text else []
            content = [*texts, *media] if media else result.text
            block: Wire = {"type": "tool_result", "tool_use_id": _id(result.tool_call_id), "content": content}
            results.append(block | ({"is_error": True} if result.is_error else {}))
            for owner in (part, *files):
                self._marks.add(results[-1], owner)
        return results


def _id(given: str) -> str:
    """The id of a call as the vendor accepts it: some of other providers have colons or points."""
    return _FOREIGN.sub("_", given)
