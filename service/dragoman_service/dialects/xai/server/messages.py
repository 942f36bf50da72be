"""Decodes the turns of a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from dragoman import v1
from dragoman.dialect.xai import v1 as x

from dragoman_service.dialects.media import decode_data_url, is_data_url, media_type_of
from dragoman_service.dialects.xai.server.states import restored
from dragoman_service.errors import FieldViolation, invalid

_ROLES = {
    x.ROLE_USER: v1.ROLE_USER,
    x.ROLE_ASSISTANT: v1.ROLE_ASSISTANT,
    x.ROLE_SYSTEM: v1.ROLE_SYSTEM,
    x.ROLE_DEVELOPER: v1.ROLE_DEVELOPER,
    x.ROLE_TOOL: v1.ROLE_TOOL,
    x.ROLE_FUNCTION: v1.ROLE_TOOL,
}
_DETAILS = (x.DETAIL_INVALID, x.DETAIL_AUTO)
_CALLERS = (x.TOOL_CALL_TYPE_INVALID, x.TOOL_CALL_TYPE_CLIENT_SIDE_TOOL)
_ANY_BYTES = "application/octet-stream"


def wrong(path: str, why: str) -> NoReturn:
    """Raises INVALID_FIELD."""
    raise invalid(FieldViolation(path, why))


class TurnDecoder:
    """Decodes the turns of one request, in order. Adds what it leaves out to `warnings`."""

    def __init__(self, warnings: list[v1.Warning]) -> None:
        self._warnings = warnings
        self._open: list[v1.ToolCall] = []

    def turn(self, message: x.Message, path: str) -> v1.Message:
        """One turn. Raises INVALID_FIELD."""
        role = _ROLES.get(message.role)
        if role is None:
            wrong(f"{path}.role", "must be a role of a user, an assistant, a system, a developer or a tool")
        if role == v1.ROLE_TOOL:
            return self._result(message, path)
        decoded = v1.Message(role=role, author=message.name)
        if role == v1.ROLE_ASSISTANT:
            decoded.parts.extend(self._said(message, path))
            return decoded
        if message.encrypted_content:
            wrong(f"{path}.encrypted_content", "is not supported in this role: this service cannot read it")
        if message.tool_calls:
            wrong(f"{path}.tool_calls", "is allowed only in messages of the assistant")
        if message.reasoning_content:
            self.leave_out(f"{path}.reasoning_content", "Only the model has thoughts.")
        decoded.parts.extend(self._parts(message, path) or [v1.Part(text="")])
        return decoded

    def leave_out(self, path: str, why: str) -> None:
        """Warns of a field that is left out."""
        self._warnings.append(v1.Warning(field=path, reason="UNSUPPORTED_FIELD", message=why))

    def _said(self, message: x.Message, path: str) -> list[v1.Part]:
        """What the model said: its thoughts, its text and its calls, with their states."""
        calls = [self._call(call, f"{path}.tool_calls[{at}]") for at, call in enumerate(message.tool_calls)]
        texts = self._parts(message, path)
        parts = [part for part in texts if not part.HasField("text") or part.text] + calls
        if message.reasoning_content:
            parts.insert(0, v1.Part(reasoning=v1.Reasoning(text=message.reasoning_content)))
        if message.encrypted_content:
            found = restored(parts, message.encrypted_content)
            if found is None:
                why = "It is not what this service wrote, or the message was changed, so that it is of no use."
                self.leave_out(f"{path}.encrypted_content", why)
            parts = parts if found is None else found
        return parts or [v1.Part(text="")]

    def _call(self, call: x.ToolCall, path: str) -> v1.Part:
        if call.type not in _CALLERS or not call.HasField("function"):
            wrong(path, "is not supported: this service runs no hosted tools")
        decoded = v1.ToolCall(id=call.id, name=call.function.name, arguments_json=call.function.arguments)
        self._open.append(decoded)
        return v1.Part(tool_call=decoded)

    def _result(self, message: x.Message, path: str) -> v1.Message:
        """The result of a call, with the files that belong to it. Without an id it answers the first open call."""
        given = message.tool_call_id
        named = [call for call in self._open if message.name in ("", call.name)]
        call = next((call for call in self._open if call.id == given), None) if given else next(iter(named), None)
        if call is None and not given:
            wrong(f"{path}.tool_call_id", "is required, because no call before it is without a result")
        if call is not None:
            self._open.remove(call)
        parts = self._parts(message, path)
        text = "".join(part.text for part in parts)
        result = v1.ToolResult(
            tool_call_id=given or (call.id if call else ""), name=call.name if call else "", text=text
        )
        files = [part for part in parts if not part.HasField("text")]
        return v1.Message(role=v1.ROLE_TOOL, parts=[v1.Part(tool_result=result), *files])

    def _parts(self, message: x.Message, path: str) -> list[v1.Part]:
        found: Iterator[v1.Part] = (
            self._part(content, f"{path}.content[{at}]") for at, content in enumerate(message.content)
        )
        return list(found)

    def _part(self, content: x.Content, path: str) -> v1.Part:
        match content.WhichOneof("content"):
            case "text":
                return v1.Part(text=content.text)
            case "image_url":
                return self._image(content.image_url, f"{path}.image_url")
            case "file":
                return _file(content.file, f"{path}.file")
        wrong(path, "is empty: set text, image_url or file")

    def _image(self, image: x.ImageUrlContent, path: str) -> v1.Part:
        if image.detail not in _DETAILS:
            self.leave_out(f"{path}.detail", "Models look at images as they decide.")
        if image.HasField("file_id"):
            return v1.Part(file=v1.File(id=image.file_id))
        if not is_data_url(image.image_url):
            return v1.Part(file=v1.File(uri=image.image_url, media_type=media_type_of(image.image_url)))
        blob = decode_data_url(image.image_url)
        if blob is None:
            wrong(f"{path}.image_url", "must be an address, or data:image/png;base64, with the bytes")
        return v1.Part(blob=blob)


def _file(file: x.FileContent, path: str) -> v1.Part:
    kind = (file.mime_type.partition(";")[0].strip() or media_type_of(file.filename or file.url)).lower()
    if sum(map(bool, (file.file_id, file.data, file.url))) != 1:
        wrong(path, "must have exactly one of file_id, data and url")
    if file.data:
        return v1.Part(blob=v1.Blob(media_type=kind or _ANY_BYTES, data=file.data, name=file.filename))
    if file.url:
        return v1.Part(file=v1.File(uri=file.url, media_type=kind, name=file.filename))
    return v1.Part(file=v1.File(id=file.file_id, media_type=kind, name=file.filename))
