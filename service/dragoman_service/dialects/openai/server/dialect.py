"""OpenAI's API as two server dialects: chat completions and legacy text completions."""

from __future__ import annotations

from dragoman import v1

from dragoman_service.dialects.contract import DecodedRequest, HttpErrorResponse
from dragoman_service.dialects.openai.server.decoded import OpenAIRequest
from dragoman_service.dialects.openai.server.errors import encode_error
from dragoman_service.dialects.openai.server.request import decode_chat_request, decode_text_request
from dragoman_service.dialects.openai.server.response import encode_chat_completion, encode_text_completion
from dragoman_service.dialects.openai.server.stream import ChatEventEncoder, TextEventEncoder
from dragoman_service.errors import CompletionError

SIGN_OF_LIFE = b": ping\n"
"""A comment with one line end: openai-go before 3.43 takes an empty line after a comment for the end of the stream."""
_SAMPLING = (
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "stop_sequences",
    "seed",
    "choice_count",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "include_logprobs",
    "top_logprobs",
    "response_format.json_object",
    "response_format.json_schema",
    "response_format.grammar",
)
_CONVERSATION = (
    "generation_config.reasoning",
    "messages.author",
    "messages.blob",
    "messages.file",
    "messages.reasoning",
    "messages.refusal",
    "extensions",
    "tool_choice.mode",
    "tool_choice.parallel",
    "tools",
)


class ChatDialect:
    """Chat completions.

    With `usage_chunk=False` a stream never ends in a chunk without a choice, even if the caller asks for the usage.
    With `reject` nothing is left out of a request with a warning.
    """

    supported_fields = (*(f"generation_config.{name}" for name in _SAMPLING), *_CONVERSATION)
    sign_of_life = SIGN_OF_LIFE

    def __init__(self, *, usage_chunk: bool = True, reject: bool = False) -> None:
        self._usage_chunk = usage_chunk
        self._reject = reject

    def decode_request(self, wire: bytes) -> DecodedRequest:
        return decode_chat_request(wire, reject=self._reject)

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> bytes:
        return encode_chat_completion(completion, functions=_has_functions(decoded))

    def event_encoder(self, decoded: DecodedRequest) -> ChatEventEncoder:
        usage = decoded.include_usage and self._usage_chunk
        return ChatEventEncoder(include_usage=usage, functions=_has_functions(decoded))

    def encode_error(self, error: CompletionError, call_id: str) -> HttpErrorResponse:
        return encode_error(error, call_id)


def _has_functions(decoded: DecodedRequest) -> bool:
    """Whether the caller sent `functions`, the deprecated form of tools."""
    return isinstance(decoded, OpenAIRequest) and decoded.functions


class TextDialect:
    """Legacy text completions. See `ChatDialect` for `reject`."""

    supported_fields = (*(f"generation_config.{name}" for name in _SAMPLING), "prompt")
    sign_of_life = SIGN_OF_LIFE

    def __init__(self, *, reject: bool = False) -> None:
        self._reject = reject

    def decode_request(self, wire: bytes) -> DecodedRequest:
        return decode_text_request(wire, reject=self._reject)

    def encode_completion(self, completion: v1.Completion, decoded: DecodedRequest) -> bytes:
        return encode_text_completion(completion)

    def event_encoder(self, decoded: DecodedRequest) -> TextEventEncoder:
        return TextEventEncoder(include_usage=decoded.include_usage)

    def encode_error(self, error: CompletionError, call_id: str) -> HttpErrorResponse:
        return encode_error(error, call_id)
