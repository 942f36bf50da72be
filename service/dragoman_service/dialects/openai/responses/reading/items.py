"""Decodes the items of a conversation. What a model made in one turn, in several items, becomes one message again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.media import is_media
from dragoman_service.dialects.openai.responses.reading.content import decode_content
from dragoman_service.dialects.openai.responses.reading.decoded import ResponsesRequest
from dragoman_service.dialects.openai.responses.states import AFTER, EMPTY, KEYS, decode_keys, decode_state
from dragoman_service.dialects.openai.server.fields import (
    items,
    json_text,
    mapping,
    one_of,
    required,
    text,
    unsupported,
)

Wire = Mapping[str, Any]
_ROLES = {
    "user": v1.ROLE_USER,
    "assistant": v1.ROLE_ASSISTANT,
    "system": v1.ROLE_SYSTEM,
    "developer": v1.ROLE_DEVELOPER,
    "data": v1.ROLE_DATA,
}
_MESSAGE = frozenset({"role", "content"})
_CALL = frozenset({"call_id", "name", "arguments"})
_RESULT = frozenset({"call_id", "output", "name"})
_THOUGHT = frozenset({"summary", "content", "encrypted_content"})
_OWN = frozenset({"type", "id", "status", "phase", "namespace", "caller"})
"""Keys of any item that no model needs back."""
_HOSTED = frozenset(
    f"{name}_call" for name in ("code_interpreter", "computer", "file_search", "image_generation", "mcp", "web_search")
)
_FOREIGN = "Encrypted reasoning can only go back to the service that wrote it."
REFERENCE = "item_reference"


class ItemDecoder:
    """Decodes the items of one request. `known` are items by their ids, to which references may point."""

    def __init__(self, decoded: ResponsesRequest, known: Mapping[str, Wire]) -> None:
        self._decoded, self._known = decoded, known
        self._messages: list[v1.Message] = []
        self._turn: v1.Message | None = None  # of the model, which may go on with the next item
        self._said = False  # the item before was a message of the model

    def decode(self, value: Any, param: str) -> list[v1.Message]:
        """The messages in a string or a list of items. Raises INVALID_FIELD."""
        if isinstance(value, str):
            return [v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text=value)])]
        for number, item in enumerate(items(value, param)):
            self._item(mapping(item, f"{param}[{number}]"), f"{param}[{number}]")
        for message in self._messages:
            if not message.parts:  # a message without content is one too
                message.parts.add(text="")
        return self._messages

    def _item(self, item: Wire, at: str) -> None:
        kind = item.get("type") or ("message" if "role" in item else REFERENCE)
        said, self._said = self._said, False
        match text(kind, f"{at}.type"):
            case "message":
                self._message(item, at, after_message=said)
            case "function_call":
                self._call(item, at)
            case "function_call_output":
                self._result(item, at)
            case "reasoning":
                self._thought(item, at)
            case "item_reference":
                self._reference(item, at)
            case hosted if hosted in _HOSTED:
                self._decoded.leave_out(unsupported(f"{at}.type", "This service runs no hosted tools."))
            case other:
                raise unsupported(f"{at}.type", f"Remove the item of type '{other[:64]}', which no field stands for.")

    def _reference(self, item: Wire, at: str) -> None:
        known = self._known.get(wanted := text(required(item, "id", f"{at}."), f"{at}.id"))
        if known is not None and known.get("type") != REFERENCE:
            self._item(known, at)
        else:
            self._decoded.references.append(wanted)

    def _message(self, item: Wire, at: str, *, after_message: bool) -> None:
        role = one_of(required(item, "role", f"{at}."), tuple(_ROLES), f"{at}.role")
        if role == "assistant":
            message = self._go_on(new=after_message)
            self._said = True
        else:
            message = self._add(_ROLES[role])
        values = self._decoded.split(_without(item, _OWN), _MESSAGE, message.extensions, at)
        message.parts.extend(decode_content(self._decoded, values.get("content", ""), f"{at}.content"))

    def _call(self, item: Wire, at: str) -> None:
        call = self._go_on().parts.add().tool_call
        values = self._decoded.split(_without(item, _OWN), _CALL, call.extensions, at)
        call.id = text(values.get("call_id") or required(item, "id", f"{at}."), f"{at}.call_id")
        call.name = text(required(values, "name", f"{at}."), f"{at}.name")
        arguments = values.get("arguments", "")
        is_object = isinstance(arguments, dict)
        call.arguments_json = json_text(arguments) if is_object else text(arguments, f"{at}.arguments")

    def _result(self, item: Wire, at: str) -> None:
        message = self._add(v1.ROLE_TOOL)
        values = self._decoded.split(_without(item, _OWN), _RESULT, message.extensions, at)
        result = message.parts.add().tool_result
        result.tool_call_id = text(required(values, "call_id", f"{at}."), f"{at}.call_id")
        result.name = text(values.get("name", ""), f"{at}.name")
        output = values.get("output", "")
        if isinstance(output, dict):  # programs send what their functions return
            output = json_text(output)
        parts = list(decode_content(self._decoded, output, f"{at}.output"))
        result.text = "\n".join(part.text for part in parts if part.HasField("text"))
        message.parts.extend(part for part in parts if is_media(part))

    def _thought(self, item: Wire, at: str) -> None:
        values = self._decoded.given(_without(item, _OWN), _THOUGHT, at)
        words = _words(values.get("content"), f"{at}.content") or _words(values.get("summary"), f"{at}.summary")
        encrypted = text(values.get("encrypted_content", ""), f"{at}.encrypted_content")
        found = decode_state(encrypted)
        if encrypted and found is None:
            self._decoded.leave_out(unsupported(f"{at}.encrypted_content", _FOREIGN))
        place, state = found or ("", b"")
        if place == KEYS:
            self._go_on().extensions.update(decode_keys(state))
        elif place == EMPTY:
            self._go_on().parts.add(text="", state=state)
        elif place == AFTER:
            turn = self._go_on()
            if not turn.parts or turn.parts[-1].state:
                turn.parts.add(text="")
            turn.parts[-1].state = state
        elif words or state:
            self._go_on().parts.add(reasoning=v1.Reasoning(text=words), state=state)

    def _go_on(self, *, new: bool = False) -> v1.Message:
        """The turn of the model."""
        if self._turn is None or new:
            self._turn = self._add(v1.ROLE_ASSISTANT)
        return self._turn

    def _add(self, role: v1.Role.ValueType) -> v1.Message:
        message = v1.Message(role=role)
        self._messages.append(message)
        self._turn = None
        return message


def _without(item: Wire, names: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in names}


def _words(value: Any, param: str) -> str:
    """The texts of a list of parts, one paragraph each."""
    if value is None:
        return ""
    parts = [mapping(part, f"{param}[{number}]") for number, part in enumerate(items(value, param))]
    texts = [text(part.get("text") or "", f"{param}[{number}].text") for number, part in enumerate(parts)]
    return "\n\n".join(part for part in texts if part)
