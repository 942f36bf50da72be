"""Anthropic's dialect keeps the laws, with state on every part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dragoman import v1
from dragoman_service.dialects.anthropic.client.dialect import AnthropicClientDialect
from dragoman_service.dialects.anthropic.client.signing import state_of_data, state_of_signature
from dragoman_service.dialects.anthropic.server.dialect import MessagesDialect
from dragoman_service.dialects.anthropic.states import AFTER
from dragoman_service.dialects.bodies import BodyDecoder
from dragoman_service.dialects.media import decode_base64, encode_base64
from dragoman_service.errors import CompletionError
from dragoman_service.testing import DialectLaws
from dragoman_service.testing.dialect_laws.pair import DialectPair
from google.rpc import code_pb2
from hypothesis import strategies as st


class Client:
    """The client, to which state is what its upstream wrote: here any bytes, which the server writes as base64."""

    def __init__(self) -> None:
        self._client = AnthropicClientDialect()
        self.supported_fields = self._client.supported_fields
        self.decode_error = self._client.decode_error

    def encode_request(self, request: v1.CompletionRequest) -> bytes:
        written = v1.CompletionRequest()
        written.CopyFrom(request)
        for part in (part for message in written.messages for part in message.parts):
            if part.HasField("reasoning"):
                part.state = state_of_signature(encode_base64(part.state))
            elif part.state:
                part.state = state_of_data(AFTER + encode_base64(part.state))
        return self._client.encode_request(written)

    def event_decoder(self, request: v1.CompletionRequest) -> Decoder:
        return Decoder(self._client.event_decoder(request))


class Decoder:
    def __init__(self, body: BodyDecoder) -> None:
        self._body = body

    @property
    def ended(self) -> bool:
        return self._body.ended

    def feed(self, piece: bytes) -> Iterator[v1.CompletionEvent]:
        for event in self._body.feed(piece):
            yield from _read(event)

    def end(self) -> Iterator[v1.CompletionEvent]:
        for event in self._body.end():
            yield from _read(event)


def _read(event: v1.CompletionEvent) -> Iterator[v1.CompletionEvent]:
    """The event with the state as the server knows it. Only thinking without a signature has none."""
    if event.delta.state:
        kind, _, text = event.delta.state.decode().partition(":")
        event.delta.state = decode_base64(text.removeprefix(AFTER)) or b""
        if not event.delta.state:
            assert (kind, event.delta.reasoning) == ("s", "")
            return
    yield event


class TestAnthropic(DialectLaws):
    server: Any = MessagesDialect()
    client: Any = Client()
    contents = ("text", "reasoning", "tool_call")
    finish_reasons = (*DialectLaws.finish_reasons, v1.FINISH_REASON_CONTEXT_LENGTH, v1.FINISH_REASON_OTHER)
    states = True
    errors = (
        *DialectLaws.errors,
        CompletionError(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED, "Shorten the prompt."),
    )

    def requests(self) -> st.SearchStrategy[v1.CompletionRequest]:
        return DialectPair.requests(self).map(as_the_vendor_has_it)

    def request_for(self, events: list[v1.CompletionEvent]) -> v1.CompletionRequest:
        request = DialectPair.request_for(self, events)
        if any(event.delta.HasField("reasoning") for event in events):  # thoughts are shown to those who ask for them
            request.generation_config.reasoning.effort = v1.REASONING_EFFORT_MEDIUM
        return request


def as_the_vendor_has_it(request: v1.CompletionRequest) -> v1.CompletionRequest:
    """The request with a limit of tokens above that of the thoughts, and without a choice that means nothing."""
    config = request.generation_config
    if config.reasoning.HasField("budget_tokens"):
        config.reasoning.budget_tokens += 1024
    config.max_output_tokens += config.reasoning.budget_tokens + 1
    if request.tool_choice.mode == v1.ToolChoice.MODE_NONE:
        request.tool_choice.ClearField("parallel")
    return request
