"""Parses the JSON of answers: quickly what is usual, as it is what is not, and leniently what is damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec
import orjson

from dragoman_service.errors import malformed_answer


class TextDelta(msgspec.Struct, gc=False):
    """The delta of a `TextChunk`."""

    role: Any = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None


class TextChoice(msgspec.Struct, gc=False):
    """The choice of a `TextChunk`."""

    index: int = 0
    delta: TextDelta | None = None
    logprobs: None = None
    finish_reason: str | None = None
    error: None = None
    message: None = None
    usage: None = None
    content_filter_results: None = None


class TextChunk(msgspec.Struct, gc=False):
    """A chunk that has text, a finish reason, usage or none of them, and nothing else.

    It has every key that `AnswerDecoder` reads, so that no other key could change its events. Where the type is None,
    a chunk with a value is none of these.
    """

    object: Literal["chat.completion.chunk", "chat.completion", "text_completion", ""] = ""
    system_fingerprint: str | None = None
    choices: list[TextChoice] = []
    usage: Any = None
    error: None = None
    base_resp: None = None
    x_groq: None = None
    prompt_filter_results: None = None
    prompt_progress: None = None


_TEXT_CHUNKS = msgspec.json.Decoder(TextChunk)


class ChunkParser:
    """Parses the JSON objects of one answer.

    JSON can hold lone surrogates, and protobuf strings cannot. Half a character at the end of a piece waits for its
    other half in the next piece of the same text; any other lone surrogate is replaced.
    """

    def __init__(self) -> None:
        self._halves: dict[tuple[Any, ...], str] = {}

    @property
    def half(self) -> bool:
        """Half a character waits for its other half, so that the text is not whole."""
        return bool(self._halves)

    def text_chunks(self, lines: bytes) -> Sequence[TextChunk] | None:
        """The JSON objects in `lines`, if all of them can be read as chunks of text.

        Otherwise, `parse` reads each. It tells apart what is damaged and what is only unusual.
        """
        if self._halves:
            return None
        try:
            if not lines.isascii():
                lines.decode()  # where a key is not read, msgspec accepts any bytes
            return _TEXT_CHUNKS.decode_lines(lines)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def parse(self, data: bytes) -> Mapping[str, Any]:
        """The JSON object in `data`, or the one that is alone in a list, as some errors are.

        Raises PROVIDER_MALFORMED.
        """
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            value = self._leniently(data)
        else:
            if self._halves:
                value = self._leniently(data)
        if type(value) is list and len(value) == 1:
            value = value[0]
        if type(value) is not dict:
            raise malformed_answer("sent an answer that is not a JSON object")
        return value

    def _leniently(self, data: bytes) -> Any:
        try:
            value = json.loads(data)
            self._join(value)
            text = json.dumps(value, ensure_ascii=False)
            return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        except (ValueError, RecursionError):
            raise malformed_answer("sent an answer that is not valid JSON") from None

    def _join(self, value: Any) -> None:
        for choice in _dicts(value.get("choices")) if type(value) is dict else ():
            last = bool(choice.get("finish_reason"))
            for key, owner, name in _pieces(choice):
                text = owner.get(name)
                if type(text) is not str or not text:
                    continue
                text = self._halves.pop(key, "") + text
                if "\ud800" <= text[-1] <= "\udbff" and not last:
                    self._halves[key] = text[-1]
                    text = text[:-1]
                owner[name] = text


def _pieces(choice: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], str]]:
    """The texts of a streamed choice that the next chunk may continue: a key for each, and where it stands."""
    index = str(choice.get("index"))
    delta = choice.get("delta")
    yield (index, "text"), choice, "text"
    if type(delta) is dict:
        for name in ("content", "reasoning_content", "reasoning", "refusal"):
            yield (index, name), delta, name
        for call in _dicts(delta.get("tool_calls")):
            if type(call.get("function")) is dict:
                yield (index, "call", str(call.get("index"))), call["function"], "arguments"


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if type(entry) is dict] if type(value) is list else []
