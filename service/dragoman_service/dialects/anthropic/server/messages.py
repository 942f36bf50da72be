"""Decodes the turns of a conversation: blocks of text, images, documents, thinking, tool calls and their results."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman import v1

from dragoman_service.dialects.anthropic.hints import decode_hint
from dragoman_service.dialects.anthropic.media import decode_media
from dragoman_service.dialects.anthropic.states import AFTER, BEFORE, decode_data, decode_signature
from dragoman_service.dialects.reading import Reader, json_text
from dragoman_service.dialects.turns import TurnSplitter

_ROLES = {"user": v1.ROLE_USER, "assistant": v1.ROLE_ASSISTANT, "system": v1.ROLE_SYSTEM}
_HOSTED = "is not supported, because this service runs no hosted tools: remove the block"
_SERVER_BLOCKS = ("server_tool_use", "mcp_tool_use", "container_upload", "compaction")
_CITED = "No model sees citations."
Turn = list[v1.Part]


class TurnDecoder:
    """Decodes the messages of one request, in order. All methods raise INVALID_FIELD."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # of the functions called so far, by the id of the call

    def system(self, reader: Reader) -> Iterator[v1.Message]:
        """The instructions of the request, a string or blocks of text."""
        parts = [part for block in _blocks(reader, "system") for part in self._text(block)]
        if parts:
            yield v1.Message(role=v1.ROLE_SYSTEM, parts=parts)

    def turn(self, message: Reader) -> Iterator[v1.Message]:
        """The messages of one turn: tool results are apart from what else the user says."""
        name = message.text("role") or ""
        if name not in _ROLES:
            message.wrong("role", f"must be one of {', '.join(_ROLES)}")
        role = _ROLES[name]
        turn = TurnSplitter(role)
        for block in _blocks(message, "content"):
            yield from turn.add(self._block(block, role, turn.message))
        message.finish()
        yield turn.end()

    def _block(self, block: Reader, role: v1.Role.ValueType, turn: v1.Message) -> Turn:
        """The part of a block, with the files that a tool returned; empty if it says nothing."""
        hint, kind = decode_hint(block), block.text("type")
        match kind:
            case "text":
                parts = self._text(block)
            case "image" | "document" if role == v1.ROLE_USER:
                parts = [decode_media(block, kind)]
            case "search_result" if role == v1.ROLE_USER:
                parts = [v1.Part(text=_found(block))]
            case "thinking" | "redacted_thinking" if role == v1.ROLE_ASSISTANT:
                parts = _thinking(block, kind, turn)
            case "tool_use" if role == v1.ROLE_ASSISTANT:
                parts = [self._call(block)]
            case "tool_result" if role == v1.ROLE_USER:
                parts = self._result(block)
            case _:
                hosted = str(kind).startswith(_SERVER_BLOCKS) or str(kind).endswith("_tool_result")
                block.wrong("type", _HOSTED if hosted else f"is not known in turns of the role {_name(role)}")
        block.finish()
        if hint is not None and parts:
            parts[-1].cache_hint.CopyFrom(hint)
        return parts

    def _text(self, block: Reader) -> Turn:
        part = v1.Part(text=block.text("text") or "")
        if (hint := decode_hint(block)) is not None:
            part.cache_hint.CopyFrom(hint)
        block.take("type")
        block.ignore({"citations": _CITED})
        block.finish()
        return [part]

    def _call(self, block: Reader) -> v1.Part:
        call = v1.ToolCall(
            id=block.text("id") or block.wrong("id", "is required"),
            name=block.text("name") or block.wrong("name", "is required"),
            arguments_json=json_text(block.plain("input") or {}),
        )
        block.take("caller")
        self._names[call.id] = call.name
        return v1.Part(tool_call=call)

    def _result(self, block: Reader) -> Turn:
        call = block.text("tool_use_id") or block.wrong("tool_use_id", "is required")
        if call not in self._names:
            block.wrong("tool_use_id", "must be the id of a tool_use block in an earlier turn")
        result = v1.ToolResult(tool_call_id=call, name=self._names[call], is_error=block.boolean("is_error"))
        texts: list[str] = []
        files: Turn = []
        for inner in _blocks(block, "content"):
            hint, kind = decode_hint(inner), inner.text("type")
            match kind:
                case "text":
                    texts.append(inner.text("text") or "")
                    inner.ignore({"citations": _CITED})
                case "image" | "document":
                    part = decode_media(inner, kind)
                    if part.HasField("text"):
                        texts.append(part.text)
                    else:
                        files.append(part)
                case "search_result":
                    texts.append(_found(inner))
                case "tool_reference":
                    texts.append(inner.text("tool_name") or "")
                case _:
                    inner.wrong("type", "must be one of text, image, document, search_result")
            inner.finish()
            if hint is not None and files:
                files[-1].cache_hint.CopyFrom(hint)
        result.text = "\n".join(texts)
        return [v1.Part(tool_result=result), *files]


def _blocks(reader: Reader, name: str) -> Iterator[Reader]:
    """The blocks of a content. A string is a block of text."""
    value = reader.take(name)
    if isinstance(value, str):
        value = [{"type": "text", "text": value}]
    if value is not None and not isinstance(value, list):
        reader.wrong(name, "must be a string or a list of blocks")
    yield from Reader({name: value}, reader.path, reader.notes).objects(name)


def _thinking(block: Reader, kind: str, turn: v1.Message) -> Turn:
    """The thinking. What another service signed or encrypted is kept: no provider but its own takes it."""
    if kind == "thinking":
        text, state = block.text("thinking") or "", decode_signature(block.text("signature") or "")
        return [v1.Part(reasoning=v1.Reasoning(text=text), state=state)] if text or state else []
    place, state = decode_data(block.text("data") or "")
    last = turn.parts[-1] if turn.parts else None
    thought = v1.Part(reasoning=v1.Reasoning(), state=state)
    if not state:
        return []
    if place == AFTER:
        if last is not None and not last.HasField("reasoning"):
            last.state = state
        return []
    if place == BEFORE and last is not None:
        moved = v1.Part()
        moved.CopyFrom(last)
        last.CopyFrom(thought)
        return [moved]
    return [thought]


def _found(block: Reader) -> str:
    """A search result as text, with its title and source in front."""
    head = [text for text in (block.text("title"), block.text("source")) if text]
    texts = [inner.text("text") or "" for inner in block.objects("content")]
    block.ignore({"citations": _CITED})
    return "\n".join([*head, *texts])


def _name(role: v1.Role.ValueType) -> str:
    return next(name for name, known in _ROLES.items() if known == role)
