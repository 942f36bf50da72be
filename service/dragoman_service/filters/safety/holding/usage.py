"""Tokens of an answer that is ended before its provider has reported them."""

from __future__ import annotations

from dragoman import v1

_TOKEN = 4  # characters of a token, for estimates


class Received:
    """What was received of an answer, whether it left or not."""

    def __init__(self, request: v1.CompletionRequest) -> None:
        self._request = request
        self.characters = 0
        self._fragments = 0
        self._reported: v1.Usage | None = None

    def report(self, usage: v1.Usage) -> None:
        self._reported = usage

    def add(self, delta: v1.Delta) -> None:
        self._fragments += 1
        kind = delta.WhichOneof("content")
        if kind == "tool_call":
            self.characters += len(delta.tool_call.arguments_json)
        elif kind:
            self.characters += len(getattr(delta, kind))

    def usage(self) -> v1.Usage:
        """The provider's figures, as far as they go; estimates for the rest."""
        usage = v1.Usage()
        if self._reported is not None:
            usage.CopyFrom(self._reported)
        generated = self._fragments if usage.output_tokens else max(self._fragments, self.characters // _TOKEN)
        if not usage.input_tokens:
            usage.input_tokens, usage.estimated = _prompt(self._request) // _TOKEN, True
        if usage.output_tokens < generated:
            usage.output_tokens, usage.estimated = generated, True
        usage.total_tokens = usage.input_tokens + usage.output_tokens
        return usage


def _prompt(request: v1.CompletionRequest) -> int:
    parts = (part for message in request.messages for part in message.parts)
    texts = (
        len(part.text) + len(part.tool_result.text) + len(part.tool_call.arguments_json) + len(part.reasoning.text)
        for part in parts
    )
    return len(request.prompt) + sum(texts)
