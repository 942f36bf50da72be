"""Reads and writes JSON: answers of upstreams, quickly and then leniently, and requests with their schemas and
extensions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from dragoman_service.errors import FieldViolation, invalid, malformed_answer

_OWN = frozenset(
    {
        "model", "messages", "prompt", "stream", "stream_options", "n", "stop", "seed", "temperature", "top_p", "top_k",
        "min_p", "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty", "repetition_penalty",
        "logprobs", "top_logprobs", "response_format", "tools", "tool_choice", "parallel_tool_calls",
    }
)  # fmt: skip
"""Parameters that fields of the schema stand for: as extensions they would change what the answer is read as."""


def schema_object(text: str, path: str) -> Mapping[str, Any]:
    """The JSON schema in `text`, its properties in their order. Raises INVALID_FIELD for `path`."""
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid(FieldViolation(path, "must be valid JSON")) from None
    if not isinstance(schema, dict):
        raise invalid(FieldViolation(path, "must be a JSON object"))
    return schema


def extend(encoded: dict[str, Any], extensions: Mapping[str, str], at: str = "extensions") -> dict[str, Any]:
    """`encoded` with the `extensions` whose path is `at`: objects that both have are merged, and no other key of
    `encoded` is replaced. Raises INVALID_FIELD.
    """
    for key, text in extensions.items():
        if at == "extensions" and key in _OWN:
            raise invalid(FieldViolation(f"{at}[{key!r}]", "stands for a field of the request: set that field"))
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise invalid(FieldViolation(f"{at}[{key!r}]", "must be valid JSON")) from None
        known = encoded.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            encoded[key] = {**known, **value}
        else:
            encoded.setdefault(key, value)
    return encoded


def json_bytes(value: Any) -> bytes:
    """`value` as JSON text in UTF-8.

    A schema may escape lone surrogates, which UTF-8 cannot hold: then all other characters are escaped too.
    """
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


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


def is_json(data: bytes) -> bool:
    """`data` is one complete JSON text."""
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """`value`, or an empty object for null. Raises PROVIDER_MALFORMED if it is not an object."""
    if value is None:
        return {}
    if type(value) is not dict:
        raise malformed_answer(f"sent a {name} that is not an object")
    return value


def items(value: Any, name: str) -> list[Any]:
    """`value`, or an empty list for null. Raises PROVIDER_MALFORMED if it is not a list."""
    if value is None:
        return []
    if type(value) is not list:
        raise malformed_answer(f"sent {name} that are not a list")
    return value


def text(value: Any) -> str:
    """`value`. Raises PROVIDER_MALFORMED if it is not a string."""
    if type(value) is not str:
        raise malformed_answer("sent a text that is not a string")
    return value


def count(value: Any, name: str) -> int:
    """`value`, or 0 for null. Raises PROVIDER_MALFORMED if it is not a non-negative integer."""
    number = value or 0
    if type(number) is not int or not 0 <= number < 2**53:
        raise malformed_answer(f"sent {name} that is not a count")
    return number
