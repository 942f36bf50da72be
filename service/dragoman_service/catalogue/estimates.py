"""How many tokens a prompt has, before a provider has counted them."""

from __future__ import annotations

from collections import OrderedDict, deque

from dragoman import v1

RATIO = 3.0  # bytes of UTF-8 in a token, until calls have told
LEAST, MOST = 1.0, 8.0  # bounds of what is learned
WINDOW = 64  # settled calls that the ratio of a model is learned from
PERCENTILE = 0.1  # of their ratios: the safe side, because a lower ratio means more tokens
MODELS = 1024  # of which ratios are kept


class Estimates:
    """Estimates input tokens from the size of a request, and learns the ratio of each model from settled calls.

    One for all calls of a process. Models are named as `provider/model`.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, deque[float]] = OrderedDict()
        self._ratios: dict[str, float] = {}

    def input_tokens(self, request: v1.CompletionRequest, model: str = "") -> int:
        """Tokens of the request's prompt at `model`, at least 1. Tools and schemas count, because models read them."""
        return self.tokens(prompt_bytes(request), model)

    def tokens(self, size: int, model: str = "") -> int:
        """Tokens of `size` bytes at `model`."""
        return max(1, round(size / self._ratios.get(model, RATIO)))

    def learn(self, model: str, size: int, tokens: int) -> None:
        """A prompt of `size` bytes had `tokens` tokens, by the provider's own count."""
        if size <= 0 or tokens <= 0:
            return
        seen = self._seen.get(model)
        if seen is None:
            seen = self._seen[model] = deque(maxlen=WINDOW)
            if len(self._seen) > MODELS:
                self._ratios.pop(self._seen.popitem(last=False)[0], None)
        seen.append(min(max(size / tokens, LEAST), MOST))
        if len(seen) % 8 == 0:  # sorting with every call would cost more than it tells
            self._ratios[model] = sorted(seen)[int(len(seen) * PERCENTILE)]


def prompt_bytes(request: v1.CompletionRequest) -> int:
    """Bytes of all that the model reads: messages or prompt, tools, and the schema of the answer."""
    size = len(request.prompt.encode()) if request.prompt else sum(map(_size, request.messages))
    return size + sum(map(_size, request.tools)) + request.generation_config.response_format.ByteSize()


def _size(message: v1.Message | v1.Tool) -> int:
    return message.ByteSize()
