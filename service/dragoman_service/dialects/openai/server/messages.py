"""Decodes the messages of a conversation, also as a vendor gave them: an answer must be able to come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from dragoman import v1

from dragoman_service.dialects.media import decode_base64, decode_data_url, is_data_url, is_media, media_type_of
from dragoman_service.dialects.openai.server.decoded import OpenAIRequest
from dragoman_service.dialects.openai.server.fields import (
    MISSING,
    items,
    json_text,
    mapping,
    one_of,
    required,
    text,
    unsupported,
    wrong,
)

_ROLES = {
    "system": v1.ROLE_SYSTEM,
    "developer": v1.ROLE_DEVELOPER,
    "user": v1.ROLE_USER,
    "assistant": v1.ROLE_ASSISTANT,
    "tool": v1.ROLE_TOOL,
    "function": v1.ROLE_TOOL,
    "data": v1.ROLE_DATA,
}
_OWNERS = {
    "tool_call_id": ("tool", "function"),
    "tool_calls": ("assistant",),
    "function_call": ("assistant",),
    "refusal": ("assistant",),
    "reasoning_content": ("assistant",),
    "reasoning": ("assistant",),
}
"""Keys that only messages of some roles may have, and those roles."""
_NEEDLESS = frozenset({"refusal", "reasoning_content", "reasoning"})
_MESSAGE = frozenset({"role", "content", "name", *_OWNERS})
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_FILES = {"image_url": "image_url", "input_image": "image_url", "input_audio": "input_audio", "file": "file"}
"""Types of parts that are no text, and the keys of their content."""
AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
"""Formats of recordings, and their media types."""
_THOUGHTS = ("thinking", "reasoning", "text")
"""Types of parts that hold reasoning, and the keys that its text is under, the first that is there."""


class MessageDecoder:
    """Decodes the messages of one request. What cannot be honoured is noted in `decoded`."""

    def __init__(self, decoded: OpenAIRequest) -> None:
        self._decoded = decoded
        self._calls: list[v1.ToolCall] = []  # calls that came without an id, and have no result yet

    def decode(self, value: Any, param: str) -> Iterator[v1.Message]:
        """The messages in the array `value`. Raises INVALID_FIELD."""
        for number, message in enumerate(items(value, param)):
            yield self._message(mapping(message, f"{param}[{number}]"), f"{param}[{number}]")

    def _message(self, message: Mapping[str, Any], at: str) -> v1.Message:
        role = one_of(required(message, "role", f"{at}."), tuple(_ROLES), f"{at}.role")
        decoded = v1.Message(role=_ROLES[role])
        values = self._decoded.split(message, _MESSAGE, decoded.extensions, at)
        self._check_owners(values, role, at)
        if decoded.role == v1.ROLE_TOOL:
            decoded.parts.append(self._result(values, role, at))
            return decoded
        if "name" in values:
            decoded.author = text(values["name"], f"{at}.name")
        decoded.parts.extend(self._parts(values, at))
        if not decoded.parts:  # a message without content is one too
            decoded.parts.add(text="")
        return decoded

    def _check_owners(self, values: dict[str, Any], role: str, at: str) -> None:
        """Leaves out a key that belongs to another role. Raises INVALID_FIELD for one of a tool call."""
        for name in [name for name in values if role not in _OWNERS.get(name, (role,))]:
            value = values.pop(name)
            error = wrong(f"{at}.{name}", f"'{at}.{name}' is only allowed in messages of role '{_OWNERS[name][0]}'.")
            if value and name not in _NEEDLESS:
                raise error
            if value:
                self._decoded.leave_out(error)

    def _result(self, values: Mapping[str, Any], role: str, at: str) -> v1.Part:
        parts = list(self._content(values.get("content", ""), f"{at}.content"))
        if any(not part.HasField("text") for part in parts):
            raise wrong(f"{at}.content", f"'{at}.content' holds more than text. The result of a call is text.")
        name = text(values.get("name", ""), f"{at}.name")
        result = v1.ToolResult(tool_call_id=self._call_id(values, role, name, at), name=name)
        result.text = "\n".join(part.text for part in parts)
        decoded = v1.Part(tool_result=result)
        for part in parts:
            decoded.extensions.update(part.extensions)
        return decoded

    def _call_id(self, values: Mapping[str, Any], role: str, name: str, at: str) -> str:
        """The id of the call that a result answers. Without an id it is that of the first open call of the function."""
        if values.get("tool_call_id"):
            return text(values["tool_call_id"], f"{at}.tool_call_id")
        if role == "function":
            required(values, "name", f"{at}.")
        for call in self._calls:
            if call.name == name or not name:
                self._calls.remove(call)
                return call.id
        if role == "function":
            raise wrong(f"{at}.name", f"'{at}.name' must be the function of a call in an earlier message.")
        raise wrong(f"{at}.tool_call_id", f"Missing required parameter: '{at}.tool_call_id'.", MISSING)

    def _parts(self, values: Mapping[str, Any], at: str) -> Iterator[v1.Part]:
        """The parts in the order in which a model generates them."""
        key = "reasoning_content" if values.get("reasoning_content") else "reasoning"
        if values.get(key):
            yield v1.Part(reasoning=v1.Reasoning(text=text(values[key], f"{at}.{key}")))
        yield from self._content(values.get("content", ""), f"{at}.content")
        if values.get("refusal"):
            yield v1.Part(refusal=text(values["refusal"], f"{at}.refusal"))
        calls = [
            self._call(call, f"{at}.tool_calls[{number}]")
            for number, call in enumerate(items(values.get("tool_calls", []), f"{at}.tool_calls"))
        ]
        if not calls and "function_call" in values:
            calls = [self._function(values["function_call"], f"{at}.function_call")]
        for number, call in enumerate(calls):
            if not call.id:  # some vendors give none
                call.id = f"call_{at.rpartition('[')[2].rstrip(']')}_{number}"
                self._calls.append(call)
            yield v1.Part(tool_call=call)

    def _content(self, value: Any, param: str) -> Iterator[v1.Part]:
        """The parts that are not empty."""
        listed = [value] if isinstance(value, str) else items(value, param)
        for number, part in enumerate(listed):
            if not isinstance(part, str):
                yield from self._part(mapping(part, f"{param}[{number}]"), f"{param}[{number}]")
            elif part:
                yield v1.Part(text=part)

    def _part(self, part: Mapping[str, Any], at: str) -> Iterator[v1.Part]:
        kind = text(required(part, "type", f"{at}."), f"{at}.type")
        decoded = v1.Part()
        if kind in _TEXT_PARTS:
            values = self._decoded.split(part, frozenset({"type", "text"}), decoded.extensions, at)
            decoded.text = text(values.get("text", ""), f"{at}.text")
        elif kind == "refusal":
            values = self._decoded.given(part, frozenset({"type", "refusal"}), at)
            decoded.refusal = text(values.get("refusal", ""), f"{at}.refusal")
        elif kind in _THOUGHTS:
            decoded.reasoning.text = self._thought(part, at)
        elif kind == "redacted_thinking":
            self._decoded.leave_out(unsupported(f"{at}.type", "Encrypted reasoning can only go back to its vendor."))
        elif kind in _FILES:
            self._file(part, kind, decoded, at)
        else:
            raise unsupported(f"{at}.type", f"Remove the part of type '{kind[:64]}', which this service does not know.")
        if decoded.text or decoded.refusal or decoded.reasoning.text or is_media(decoded):
            yield decoded

    def _file(self, part: Mapping[str, Any], kind: str, decoded: v1.Part, at: str) -> None:
        """An image, a recording or a document: its bytes, or where it is."""
        key = _FILES[kind]
        values = self._decoded.split(part, frozenset({"type", key}), decoded.extensions, at)
        content, at = required(values, key, f"{at}."), f"{at}.{key}"
        if key == "image_url":
            image = {"url": content} if isinstance(content, str) else mapping(content, at)
            given = self._decoded.given(image, frozenset({"url", "detail"}), at)
            if given.get("detail", "auto") != "auto":
                self._decoded.extend(decoded.extensions, "detail", given["detail"], f"{at}.detail")
            set_address(text(required(given, "url", f"{at}."), f"{at}.url"), decoded, f"{at}.url")
        elif key == "input_audio":
            given = self._decoded.given(mapping(content, at), frozenset({"data", "format"}), at)
            decoded.blob.media_type = AUDIO[one_of(given.get("format", "wav"), tuple(AUDIO), f"{at}.format")]
            data = decode_base64(text(required(given, "data", f"{at}."), f"{at}.data"))
            decoded.blob.data = data or no_data(f"{at}.data")
        else:
            given = self._decoded.given(mapping(content, at), frozenset({"file_id", "file_data", "filename"}), at)
            if "file_id" in given:
                decoded.file.id = text(given["file_id"], f"{at}.file_id")
            else:
                set_address(text(required(given, "file_data", f"{at}."), f"{at}.file_data"), decoded, f"{at}.file_data")
                content = decoded.blob if decoded.HasField("blob") else decoded.file
                content.name = text(given.get("filename", ""), f"{at}.filename")

    def _thought(self, part: Mapping[str, Any], at: str) -> str:
        """The reasoning in a part, which is a text or a list of parts. Its signature is left out."""
        self._decoded.given(part, frozenset({"type", *_THOUGHTS}), at)
        value = next((part[key] for key in _THOUGHTS if part.get(key)), "")
        if not isinstance(value, list):
            return text(value, at)
        return "\n".join(text(mapping(inner, at).get("text") or "", at) for inner in value)

    def _call(self, value: Any, at: str) -> v1.ToolCall:
        call, decoded = mapping(value, at), v1.ToolCall()
        values = self._decoded.split(call, frozenset({"id", "type", "function", "index"}), decoded.extensions, at)
        one_of(values.get("type", "function"), ("function",), f"{at}.type")
        decoded.MergeFrom(self._function(required(values, "function", f"{at}."), f"{at}.function"))
        decoded.id = text(values.get("id", ""), f"{at}.id")
        return decoded

    def _function(self, value: Any, at: str) -> v1.ToolCall:
        function = mapping(value, at)
        values = self._decoded.given(function, frozenset({"name", "arguments"}), at)
        arguments = values.get("arguments", "")
        return v1.ToolCall(
            name=text(required(values, "name", f"{at}."), f"{at}.name"),
            arguments_json=json_text(arguments) if isinstance(arguments, dict) else text(arguments, f"{at}.arguments"),
        )


def set_address(url: str, decoded: v1.Part, at: str) -> None:
    """The content of a `data:` address, or any other address as it is: nothing is fetched here."""
    if not is_data_url(url):
        decoded.file.uri, decoded.file.media_type = url, media_type_of(url)
        return
    decoded.blob.CopyFrom(decode_data_url(url) or no_data(at))


def no_data(at: str) -> NoReturn:
    """Raises INVALID_FIELD for data that is not in base64."""
    raise wrong(at, f"'{at}' must hold data in base64, as in 'data:image/png;base64,...'.")
