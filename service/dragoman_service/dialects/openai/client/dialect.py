"""The client side of OpenAI's dialect."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.openai.client.answer.choices import Expected
from dragoman_service.dialects.openai.client.errors import decode_error
from dragoman_service.dialects.openai.client.json import json_bytes
from dragoman_service.dialects.openai.client.messages import continuation_prefix
from dragoman_service.dialects.openai.client.quirks import ANY, Quirks
from dragoman_service.dialects.openai.client.request import encode_chat, encode_prompt
from dragoman_service.dialects.openai.client.stream import StreamDecoder
from dragoman_service.errors import CompletionError


class OpenAIClientDialect:
    """See `ClientDialect`. A piece is bytes of the response body. `quirks` are those of one kind of upstream.

    Where a method takes `choice`, it is the index of the one choice that the request is for, None for all of them.
    """

    def __init__(self, quirks: Quirks = ANY) -> None:
        self.quirks = quirks

    @property
    def supported_fields(self) -> Sequence[str]:
        return self.quirks.supported_fields

    def path(self, request: v1.CompletionRequest) -> str:
        """The endpoint for `request`, below the address of the API."""
        return self.quirks.path if request.messages else self.quirks.prompt_path

    def encode_request(self, request: v1.CompletionRequest, *, choice: int | None = None, stream: bool = True) -> bytes:
        """The JSON body of the request for a stream, or for a whole answer. Raises INVALID_FIELD, UNSUPPORTED_FIELD."""
        encode = encode_chat if request.messages else encode_prompt
        return json_bytes(encode(request, self.quirks, choice, stream=stream))

    def event_decoder(
        self, request: v1.CompletionRequest, *, choice: int | None = None, content_type: str = ""
    ) -> StreamDecoder:
        """A decoder for the answer to `request`; `content_type` is the header of that name."""
        config = request.generation_config
        expected = Expected(
            choice or 0,
            (config.choice_count or 1) if choice is None else 1,
            config.max_output_tokens,
            continuation_prefix(request) if self.quirks.continues_answer else "",
            config.top_logprobs,
        )
        return StreamDecoder(expected, is_json="json" in content_type)

    def decode_error(self, response: HttpErrorResponse) -> CompletionError:
        """The error of a response whose status is not 200."""
        return decode_error(response)
