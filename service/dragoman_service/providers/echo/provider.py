"""`echo`: a provider without a model, for tests, plugin authors and benchmarks.

It answers with the prompt, or with the text of the last message of ROLE_USER or ROLE_TOOL, one token per delta. A
request scripts it with a message of ROLE_SYSTEM or ROLE_DEVELOPER that consists of `echo:` and a JSON object of
`EchoSettings`:

    echo: {"text": "Hello there!", "delay": "50ms", "fail_after": 2, "fail_code": "UNAVAILABLE"}

A token is a word of up to 16 letters, digits and underscores, or any other single character, each with up to 16 spaces
before it. The prompt's tokens are those of all messages including scripts. The name of a called tool is one token. Each
token of the answer is the only candidate for its place, so that temperature, top_p, top_k, min_p and seed do not change
the answer.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from dragoman import v1

from dragoman_service.contract import Call, CompletionError, one_by_one
from dragoman_service.providers.echo.answer import answer_to, input_tokens, split, texts_of
from dragoman_service.providers.echo.script import EchoSettings, script_of
from dragoman_service.timing.off_loop import INLINE, OffLoop

__all__ = ["Echo", "EchoSettings", "open_echo", "split"]

_YIELD_EVERY = 64  # deltas without a delay, after which other tasks run
_FIELDS = ("messages.blob", "messages.file", "prompt", "tools", "tool_choice.mode", "tool_choice.parallel")
_CONFIG_FIELDS = (
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "stop_sequences",
    "seed",
    "choice_count",
    "include_logprobs",
    "top_logprobs",
    "reasoning",
)


@asynccontextmanager
async def open_echo(settings: EchoSettings) -> AsyncIterator[Echo]:
    """The plugin's entry point."""
    yield Echo(settings)


class Echo:
    """Answers as it is scripted, and counts its calls by their outcome. `started` is the sum of the other counters."""

    def __init__(self, settings: EchoSettings | None = None) -> None:
        self._settings = settings or EchoSettings()
        self._off_loop = OffLoop()
        self.started = 0
        self.running = 0
        self.finished = 0
        self.failed = 0
        """Calls that failed as `fail_after` says."""
        self.closed = 0
        """Calls whose reader left before the end."""

    def models(self) -> Sequence[v1.Model]:
        return [
            v1.Model(
                display_name="Echo",
                provider_model="echo",
                aliases=["echo"],
                capabilities=[v1.CAPABILITY_COUNT_TOKENS, v1.CAPABILITY_TOKENIZE],
                supported_fields=[*_FIELDS, *(f"generation_config.{field}" for field in _CONFIG_FIELDS)],
                availability=v1.AVAILABILITY_READY,
                local=True,
            )
        ]

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        return one_by_one(self.in_batches(request, call))

    async def in_batches(self, request: v1.CompletionRequest, call: Call) -> AsyncGenerator[list[v1.CompletionEvent]]:
        """See `InBatches`."""
        script = script_of(request, self._settings)
        size = request.ByteSize()
        inline, run = size <= INLINE, self._off_loop.run
        self.started += 1
        self.running += 1
        ended = "closed"
        try:
            answer = answer_to(request, script) if inline else await run(size, answer_to, request, script)
            output = reasoning = 0
            for number, (tokens, event) in enumerate(answer.deltas()):
                delay = script.delay if number else script.first_delay
                if delay or number % _YIELD_EVERY == _YIELD_EVERY - 1:
                    await asyncio.sleep(delay)
                if number == script.fail_after:
                    break
                output += tokens
                reasoning += tokens if event.delta.HasField("reasoning") else 0
                yield [event]
            if script.usage:
                prompt = input_tokens(request) if inline else await run(size, input_tokens, request)
                yield [_usage(script, prompt, output, reasoning)]
            if script.fail_after is not None:
                ended = "failed"
                raise _failure(script)
            yield list(answer.ends())
            ended = "finished"
        finally:
            self.running -= 1
            setattr(self, ended, getattr(self, ended) + 1)

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse:
        count = await self._off_loop.run(request.ByteSize(), input_tokens, request)
        return v1.CountTokensResponse(input_tokens=count, tokenizer="echo")

    async def tokenize(self, request: v1.TokenizeRequest, call: Call) -> v1.TokenizeResponse:
        return await self._off_loop.run(request.ByteSize(), _tokenized, request)


def _tokenized(request: v1.TokenizeRequest) -> v1.TokenizeResponse:
    texts = texts_of(request.request) if request.HasField("request") else [request.text]
    tokens = [v1.Token(id=zlib.crc32(token.encode()), text=token) for text in texts for token in split(text)]
    return v1.TokenizeResponse(tokens=tokens)


def _usage(script: EchoSettings, prompt: int, output: int, reasoning: int) -> v1.CompletionEvent:
    return v1.CompletionEvent(
        usage=v1.Usage(
            input_tokens=prompt,
            output_tokens=output,
            total_tokens=prompt + output,
            cached_input_tokens=min(script.cached_input_tokens, prompt),
            cache_write_tokens=min(script.cache_write_tokens, prompt),
            reasoning_tokens=reasoning,
        )
    )


def _failure(script: EchoSettings) -> CompletionError:
    return CompletionError(
        script.fail_code,
        v1.ErrorReason.ValueType(script.fail_reason),
        "The provider echo is scripted to fail.",
        retryable=script.fail_retry_after is not None,
        retry_after=script.fail_retry_after,
    )
