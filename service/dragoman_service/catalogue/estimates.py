"""How many tokens a prompt has, before a provider has counted them."""

from __future__ import annotations

from dragoman import v1

RATIO = 3.0  # bytes of UTF-8 in a token: few, so that estimates are on the high side


def input_tokens(request: v1.CompletionRequest) -> int:
    """Tokens of the request's prompt, at least 1."""
    return max(1, round(prompt_bytes(request) / RATIO))


def prompt_bytes(request: v1.CompletionRequest) -> int:
    """Bytes of all that the model reads: messages or prompt, tools, and the schema of the answer."""
    size = len(request.prompt.encode()) if request.prompt else sum(map(_size, request.messages))
    return size + sum(map(_size, request.tools)) + request.generation_config.response_format.ByteSize()


def _size(message: v1.Message | v1.Tool) -> int:
    return message.ByteSize()
