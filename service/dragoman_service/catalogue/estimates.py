"""How many tokens a prompt has, before a provider has counted them."""

from __future__ import annotations

from dragoman import v1

RATIO = 3.0  # bytes of UTF-8 in a token: few, so that estimates are on the high side

_MEDIA = 4800  # bytes of text that an image weighs as much as: vendors count up to about 1,600 tokens
_PAGE = 64 * 1024  # bytes of a document or a recording that weigh as much as an image


def input_tokens(request: v1.CompletionRequest) -> int:
    """Tokens of the request's prompt, at least 1."""
    return max(1, round(prompt_bytes(request) / RATIO))


def prompt_bytes(request: v1.CompletionRequest) -> int:
    """Bytes of all that the model reads: messages or prompt, tools, and the schema of the answer."""
    size = len(request.prompt.encode()) if request.prompt else sum(map(_size, request.messages))
    return size + sum(map(_size, request.tools)) + request.generation_config.response_format.ByteSize()


def _size(message: v1.Message | v1.Tool) -> int:
    size = message.ByteSize()
    for part in message.parts if isinstance(message, v1.Message) else ():
        if part.HasField("blob"):
            size += _media_size(part.blob) - len(part.blob.data)
        elif part.HasField("file"):
            size += _MEDIA
    return size


def _media_size(blob: v1.Blob) -> int:
    """Bytes of text that weigh as much as `blob`. All images weigh the same."""
    if blob.media_type.startswith("text/"):
        return len(blob.data)
    return _MEDIA if blob.media_type.startswith("image/") else _MEDIA * (1 + len(blob.data) // _PAGE)
