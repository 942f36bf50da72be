"""The pair of dialects under test: what its author states, and how the laws send requests and answers through it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from dragoman import v1
from google.rpc import code_pb2
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from dragoman_service.dialects.contract import ClientDialect, DecodedRequest, EventDecoder, EventEncoder, ServerDialect
from dragoman_service.errors import CompletionError, too_many_hops
from dragoman_service.testing.dialect_laws.answers import Events, Shape, answers, content_of
from dragoman_service.testing.dialect_laws.requests import requests

CALL_ID = "call-0123"
Piece = Any


def checked(holds: Callable[..., None]) -> Callable[..., None]:
    """Runs a law under hypothesis, in the profile that is loaded: without time limits, because machines are slow."""
    return settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))(holds)


def _error(code: int, reason: v1.ErrorReason.ValueType, retry_after: float | None = None) -> CompletionError:
    retryable = retry_after is not None
    return CompletionError(code, reason, "It failed. Do this.", retryable=retryable, retry_after=retry_after)


class DialectPair:
    """The attributes that an author sets, and what the laws have in common."""

    server: ServerDialect[Any, Any, Any]
    client: ClientDialect[Any, Any, Any]
    model = "m"
    """Name of the model in requests, as it is after decoding."""
    conversations = True
    """Requests hold messages. False: only a prompt."""
    contents: Sequence[str] = ("text", "reasoning", "refusal", "tool_call")
    """The contents of `Delta` that both sides carry. `tool_call` counts only where both support `tools`."""
    mixed_contents = True
    """An answer may hold contents of different kinds."""
    tool_call_ids = True
    """Answers carry the ids of tool calls."""
    safety = False
    """Answers carry what was found in the prompt and in each choice."""
    citations = False
    """Answers carry citations."""
    states = False
    """Answers carry the state of parts, and requests bring it back in messages of the assistant."""
    finish_reasons: Sequence[v1.FinishReason.ValueType] = (
        v1.FINISH_REASON_STOP,
        v1.FINISH_REASON_MAX_OUTPUT_TOKENS,
        v1.FINISH_REASON_CONTENT_FILTER,
    )
    """The finish reasons, other than FINISH_REASON_TOOL_CALLS, that both sides carry."""
    errors: Sequence[CompletionError] = (
        _error(code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED),
        _error(code_pb2.RESOURCE_EXHAUSTED, v1.ERROR_REASON_PROVIDER_RATE_LIMITED, retry_after=7.0),
        _error(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, retry_after=1.0),
        too_many_hops(),
    )
    """The errors that both sides carry. Every dialect carries these four; add those that yours carries too."""

    @property
    def fields(self) -> frozenset[str]:
        """The optional request fields that both sides support."""
        return frozenset(self.server.supported_fields) & frozenset(self.client.supported_fields)

    def requests(self) -> st.SearchStrategy[v1.CompletionRequest]:
        """Requests with any of `fields`. Override it if a dialect gives fields a default of its own."""
        return requests(self.model, self.fields, conversations=self.conversations, states=self.states)

    def answers(self) -> st.SearchStrategy[Events]:
        """The events of complete answers."""
        choices = 3 if "generation_config.choice_count" in self.fields else 1
        kinds = [kind for kind in self.contents if kind != "tool_call" or "tools" in self.fields]
        logprobs = "generation_config.include_logprobs" in self.fields
        shape = Shape(
            kinds,
            self.finish_reasons,
            choices,
            self.mixed_contents,
            self.tool_call_ids,
            logprobs,
            self.safety,
            self.citations,
            self.states,
        )
        return answers(shape)

    def content(self, completion: v1.Completion) -> list[Any]:
        """What both sides carry of a completion."""
        return content_of(completion, safety=self.safety, citations=self.citations)

    def request_for(self, events: Events) -> v1.CompletionRequest:
        """A request that `events` answer."""
        request = v1.CompletionRequest(model=self.model)
        if self.conversations:
            request.messages.add(role=v1.ROLE_USER).parts.add(text="Count to three.")
        else:
            request.prompt = "One, two,"
        choices = {event.choice_finished.choice_index for event in events if event.HasField("choice_finished")}
        if len(choices) > 1:
            request.generation_config.choice_count = len(choices)
        return request

    def encoder_for(self, events: Events) -> EventEncoder[Piece]:
        """An encoder for the streamed answer to `request_for(events)`."""
        return self.server.event_encoder(self._decoded_request(events))

    def encoded(self, events: Events) -> list[Piece]:
        """The pieces of the streamed answer."""
        encoder = self.encoder_for(events)
        return [*(piece for event in events for piece in encoder.feed(event)), *encoder.end()]

    def complete(self, events: Events) -> Piece:
        """The complete answer."""
        return self.server.encode_completion(events[-1].finished.completion, self._decoded_request(events))

    def decoder_for(self, events: Events) -> EventDecoder[Piece]:
        """A decoder for the answer to `request_for(events)`."""
        return self.client.event_decoder(self.request_for(events))

    def decoded(self, events: Events, pieces: Iterable[Piece]) -> Events:
        """The events that the client decodes from `pieces`, the answer to `request_for(events)`."""
        decoder = self.decoder_for(events)
        return [*(event for piece in pieces for event in decoder.feed(piece)), *decoder.end()]

    def _decoded_request(self, events: Events) -> DecodedRequest:
        return self.server.decode_request(self.client.encode_request(self.request_for(events)))
