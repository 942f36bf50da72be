"""Decodes contents: the turns of a conversation, with function calls and what the functions returned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dragoman import v1

from dragoman_service.dialects.google.gemini.media import decode_media
from dragoman_service.dialects.google.gemini.reading import Reader, json_text
from dragoman_service.dialects.google.gemini.state import SIGNATURE
from dragoman_service.dialects.turns import TurnSplitter

_ROLES = {
    "": v1.ROLE_USER,
    "user": v1.ROLE_USER,
    "function": v1.ROLE_USER,
    "tool": v1.ROLE_USER,
    "model": v1.ROLE_ASSISTANT,
}
_NO_CODE = "is not supported, because this service runs no code: remove the part"
_REFUSED = {
    "executableCode": _NO_CODE,
    "codeExecutionResult": _NO_CODE,
    "toolCall": _NO_CODE,
    "toolResponse": _NO_CODE,
}
_IGNORED = {
    "videoMetadata": "Models get videos whole.",
    "partMetadata": "No model sees it.",
    "mediaResolution": "Models get media as they are.",
}
RESULT, ERROR = "result", "error"
"""The keys under which clients return what is no object, and why a function failed."""


class ContentDecoder:
    """Decodes the contents of one request, in order. All methods raise INVALID_FIELD.

    A response names its function, and seldom the id of the call. It then answers the first open call of that function.
    """

    def __init__(self) -> None:
        self._count = 0
        self._open: list[v1.ToolCall] = []

    def instruction(self, value: Any, reader: Reader) -> Iterator[v1.Message]:
        """The system instruction: a content, whatever its role, or its text."""
        name = "systemInstruction"
        if isinstance(value, str):
            value = {"parts": [{"text": value}]}
        if not isinstance(value, dict):
            reader.wrong(name, "must be a content, as in {parts: [{text: ...}]}")
        content = Reader(value, reader.at(name), reader.notes)
        content.take("role")
        parts = []
        for part in content.objects("parts"):
            others = ("functionCall", "functionResponse", "inlineData", "fileData")
            part.refuse({**_REFUSED, **dict.fromkeys(others, "must hold text alone")})
            parts.append(v1.Part(text=part.text("text") or ""))
            part.finish()
        content.finish()
        if any(part.text for part in parts):
            yield v1.Message(role=v1.ROLE_SYSTEM, parts=parts)

    def content(self, content: Reader) -> Iterator[v1.Message]:
        """The messages of one content: function responses are apart from text."""
        name = content.text("role") or ""
        if name not in _ROLES:
            content.wrong("role", "must be user or model")
        role = _ROLES[name]
        turn = TurnSplitter(role)
        for part in content.objects("parts"):
            decoded = self._part(part, role)
            part.finish()
            yield from turn.add(decoded)
        content.finish()
        yield turn.end()

    def _part(self, part: Reader, role: v1.Role.ValueType) -> list[v1.Part]:
        """The part, with the files that a function returned; empty if it holds nothing."""
        part.refuse(_REFUSED)
        part.ignore(_IGNORED)
        media = decode_media(part)
        if media is not None:
            return [media]
        thought, state = part.boolean("thought"), part.data(SIGNATURE)
        call, response, text = part.object("functionCall"), part.object("functionResponse"), part.text("text")
        decoded = v1.Part()
        if call is not None:
            if role != v1.ROLE_ASSISTANT:
                part.wrong("functionCall", "is allowed only in contents of the role model")
            decoded.tool_call.CopyFrom(self._call(call))
        elif response is not None:
            return self._result(response)
        elif thought and role == v1.ROLE_ASSISTANT:
            decoded.reasoning.text = text or ""
        elif text is not None or state:
            decoded.text = text or ""
        else:
            return []
        if role == v1.ROLE_ASSISTANT:
            decoded.state = state
        return [] if thought and not text and not state else [decoded]

    def _call(self, reader: Reader) -> v1.ToolCall:
        self._count += 1
        call = v1.ToolCall(
            id=reader.text("id") or f"call{self._count:05}",
            name=_name(reader),
            arguments_json=json_text(reader.plain("args") or {}),
        )
        reader.ignore(dict.fromkeys(("partialArgs", "willContinue"), "Calls are sent whole."))
        reader.finish()
        self._open.append(call)
        return call

    def _result(self, reader: Reader) -> list[v1.Part]:
        given, name = reader.text("id"), _name(reader)
        response = reader.plain("response") or {}
        files = [
            decode_media(part) or part.wrong("", "must be inlineData or fileData") for part in reader.objects("parts")
        ]
        reader.ignore(dict.fromkeys(("willContinue", "scheduling"), "A response answers its call at once."))
        reader.finish()
        named = [call for call in self._open if call.name == name]
        call = next((call for call in self._open if given and call.id == given), named[0] if named else None)
        if call is None:
            reader.wrong("name", "must name a function that an earlier content called")
        self._open.remove(call)
        text, is_error = _text(response)
        result = v1.ToolResult(tool_call_id=call.id, name=name or call.name, text=text, is_error=is_error)
        return [v1.Part(tool_result=result), *files]


def _name(reader: Reader) -> str:
    name = reader.text("name")
    return name if name else reader.wrong("name", "is required: the name of the function")


def _text(response: dict[str, Any]) -> tuple[str, bool]:
    """What a function returned, and whether it is an error: a text that stands alone as such, anything else as JSON."""
    for key in (RESULT, ERROR) if len(response) == 1 else ():
        if isinstance(alone := response.get(key), str):
            return alone, key == ERROR
    return json_text(response), False
