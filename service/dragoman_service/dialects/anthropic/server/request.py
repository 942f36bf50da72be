"""Decodes requests: messages, and the counting of their tokens."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman import v1

from dragoman_service.dialects.anthropic.hints import decode_hint
from dragoman_service.dialects.anthropic.server.config import decode_config
from dragoman_service.dialects.anthropic.server.messages import TurnDecoder
from dragoman_service.dialects.anthropic.server.tools import decode_tool_choice, decode_tools
from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.reading import Notes, Reader, parsed

THREAD = "thread"
_ANYWHERE = (None, "global", "not_available")
_REFUSED = {
    THREAD: "is not supported, because this service keeps no conversations: send all messages",
    "container": "is not supported, because this service runs no code: remove it",
    "mcp_servers": "is not supported, because this service runs no hosted tools: call the tools yourself",
}
_IGNORED = {
    "context_management": "Models get all messages.",
    "diagnostics": "This service does not know why a cache was missed.",
    "fallbacks": "The settings of the service say which models stand in.",
    "user_profile_id": "This service has no profiles.",
    "workspace_id": "This service has no workspaces.",
}
_PLAIN = {"service_tier": ("auto", "standard_only", "standard"), "speed": ("standard",)}
"""Keys with the values that ask for what happens anyway."""


@dataclass(slots=True)
class MessagesRequest(DecodedRequest):
    """A request of this dialect."""

    thinking: bool = False
    """The answer has blocks of thinking."""
    omitted: bool = False
    """They hold no text."""
    prefix: str = ""
    """How the last turn began the answer, which repeats it here but not on this wire."""


def decode_request(body: bytes, *, reject: bool = False) -> MessagesRequest:
    """The request in `body`. With `reject` nothing is left out with a warning.

    Raises MALFORMED_REQUEST and INVALID_FIELD.
    """
    reader = Reader(parsed(body), "", Notes(reject=reject))
    decoded = MessagesRequest(include_usage=True, warnings=reader.notes.warnings)
    request = decoded.request
    reader.refuse(_REFUSED)
    request.model, decoded.stream = reader.text("model") or "", reader.boolean("stream")
    turns = TurnDecoder()
    request.messages.extend(turns.system(reader))
    for turn in reader.objects("messages"):
        request.messages.extend(turns.turn(turn))
    if (hint := decode_hint(reader)) is not None and request.messages:
        request.messages[-1].parts[-1].cache_hint.CopyFrom(hint)
    request.tools.extend(decode_tools(reader))
    choice = decode_tool_choice(reader)
    if choice is not None and (request.tools or choice.mode == v1.ToolChoice.MODE_REQUIRED):
        request.tool_choice.CopyFrom(choice)
    config, decoded.thinking = decode_config(reader)
    decoded.omitted = config.reasoning.visibility == v1.REASONING_VISIBILITY_HIDDEN
    if config.ListFields():
        request.generation_config.CopyFrom(config)
    metadata = reader.object("metadata")
    if metadata is not None:
        request.end_user = metadata.text("user_id") or ""
        metadata.finish()
    decoded.prefix = _prefix(request)
    _leave_out(reader)
    return decoded


def _prefix(request: v1.CompletionRequest) -> str:
    last = request.messages[-1] if request.messages else v1.Message()
    return "".join(part.text for part in last.parts) if last.role == v1.ROLE_ASSISTANT else ""


def _leave_out(reader: Reader) -> None:
    if reader.take("inference_geo") not in _ANYWHERE:
        reader.wrong("inference_geo", "is not supported: the settings of the service say where its models run")
    for name, plain in _PLAIN.items():
        if (value := reader.take(name)) is not None and value not in plain:
            reader.notes.leave_out(name, "This service has no tiers and speeds.")
    reader.ignore(_IGNORED)
    reader.finish()
