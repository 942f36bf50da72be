"""`local`: the embedded model. The service starts its engine itself, which speaks OpenAI's dialect."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

from dragoman import v1
from google.rpc import code_pb2
from pydantic import Field

from dragoman_service.contract import Call, CompletionError, FieldViolation, invalid
from dragoman_service.dialects.openai.client.quirks import LLAMA_CPP, Quirks
from dragoman_service.providers.local.attempts import attempts
from dragoman_service.providers.local.constraints.bounds import check_constraints
from dragoman_service.providers.local.engine.attached import attached_engine
from dragoman_service.providers.local.engine.client import Engine, EngineHttp
from dragoman_service.providers.local.engine.machine import default_threads
from dragoman_service.providers.local.engine.own import EngineOptions, check_runtime, running_engine
from dragoman_service.providers.local.engine.process import EngineError
from dragoman_service.providers.local.engine.watchdog import limit_of
from dragoman_service.providers.local.tokenizer import LocalTokenizer
from dragoman_service.providers.local.weights.weights import find_weights
from dragoman_service.providers.openai.provider import OpenAIProvider
from dragoman_service.providers.upstream.connection import HttpError
from dragoman_service.providers.upstream.http import open_http
from dragoman_service.settings.types import ConfigPath, Duration, Section

T = TypeVar("T")
NAME = "smollm2-135m-instruct"
TITLE = "SmolLM2 135M Instruct (Q4_1)"
SYSTEM = "You are a helpful AI assistant. Answer briefly and accurately."
TEMPERATURE = 0.2
TOP_P = 0.9
READY_TIMEOUT = 10.0  # seconds that a call waits for an engine that is restarting
MAX_BYTES = 262_144  # of a request; more of them with a large context
BYTES_PER_TOKEN = 16  # far above what any text has on average
CONNECTIONS = 512  # to the engine, which has a thread for each; further calls are queued
SHARED_CONNECTIONS = 64  # of each worker to an engine that all workers share; at least the number of its slots


class LocalSettings(Section):
    """The table of a provider whose plugin is `local`."""

    path: ConfigPath | None = None
    """A GGUF file. None: the fetched weights, or else those of an installed distribution."""
    name: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    """The model's name. None: smollm2-135m-instruct, or the name of the file at `path`."""
    system: str | None = None
    """The system message of conversations that begin without one. None: a short one for the default model, none for
    others. Empty: none."""
    threads: Annotated[int, Field(ge=1, le=512)] | None = None
    """Threads of the engine. None: one less than the usable cores."""
    slots: Annotated[int, Field(ge=1, le=256)] = 4
    """Answers at a time; further calls are queued."""
    context_tokens: Annotated[int, Field(ge=256, le=4_194_304)] = 2048
    """Maximum tokens of prompt and answer together, in each slot."""
    engine: ConfigPath | None = None
    """The unix socket of an engine that another process runs, on the same weights. None: one is started."""
    step_limit: Annotated[Duration, Field(gt=0)] | None = None
    """Processor time of one step after which the engine counts as stuck and is restarted. None: 5 s, and more with
    more than four slots or weights of more than 250 MB."""


@asynccontextmanager
async def open_local(settings: LocalSettings) -> AsyncIterator[LocalProvider]:
    """The plugin's entry point. Raises WeightsError or EngineError with a message for the operator."""
    if settings.engine is None:
        await asyncio.to_thread(check_runtime)  # before the weights, which would be of no use without it
    weights = await asyncio.to_thread(find_weights, settings.path)
    async with (
        _engine(settings, weights) as engine,
        connected(engine, settings, weights) as provider,
    ):
        yield provider


@asynccontextmanager
async def share_local(settings: LocalSettings) -> AsyncIterator[Mapping[str, Any]]:
    """Runs one engine for several workers and yields their settings. Raises as `open_local` does."""
    if settings.engine is None:
        await asyncio.to_thread(check_runtime)  # before the weights, which would be of no use without it
    weights = await asyncio.to_thread(find_weights, settings.path)
    async with _engine(settings, weights) as engine:
        yield settings.model_dump(exclude_unset=True) | {"engine": engine.socket}


open_local.shared = share_local  # type: ignore[attr-defined]


@asynccontextmanager
async def _engine(settings: LocalSettings, weights: Path) -> AsyncIterator[Engine]:
    if settings.engine is not None:
        async with attached_engine(
            settings.engine, await asyncio.to_thread(limit_of, weights, settings.slots, settings.step_limit)
        ) as engine:
            yield engine
        return
    threads = await asyncio.to_thread(default_threads) if settings.threads is None else settings.threads
    options = EngineOptions(weights, _name(settings, weights), threads, settings.slots, settings.context_tokens)
    async with running_engine(options, settings.step_limit) as started:
        yield started


@asynccontextmanager
async def connected(
    engine: Engine, settings: LocalSettings, weights: Path, ready_timeout: float = READY_TIMEOUT
) -> AsyncIterator[LocalProvider]:
    """The provider of a running engine, which several providers may share.

    `ready_timeout` is how many seconds a call waits for an engine that is restarting.
    """
    limit = CONNECTIONS if settings.engine is None else max(SHARED_CONNECTIONS, settings.slots)
    async with open_http("http://localhost", unix_socket=engine.socket, limit=limit) as client:
        http = EngineHttp(client, engine, ready_timeout)
        title = TITLE if settings.path is None else weights.stem
        quirks = await _quirks(http)
        model = _model(_name(settings, weights), title, await _context_window(http), quirks)
        system = settings.system if settings.system is not None else SYSTEM if settings.path is None else ""
        yield LocalProvider(engine, http, model, quirks, system, weights)


class LocalProvider:
    """The model that `engine` runs. Sets what a request leaves open: system message, temperature, top_p and the maximum
    number of tokens."""

    def __init__(
        self, engine: Engine, http: EngineHttp, model: v1.Model, quirks: Quirks, system: str, weights: Path
    ) -> None:
        self.engine = engine
        self._model = model
        self._system = system
        # Without time-outs: reading a prompt may take long here, and the caller's deadline ends it.
        self._upstream = OpenAIProvider(http, [model], quirks)
        self._tokenizer = LocalTokenizer(http, quirks, weights)
        self._max_bytes = max(MAX_BYTES, model.context_window_tokens * BYTES_PER_TOKEN)

    def models(self) -> Sequence[v1.Model]:
        model = v1.Model()
        model.CopyFrom(self._model)
        if not self.engine.available:
            model.availability = v1.AVAILABILITY_UNAVAILABLE
        return [model]

    def complete(self, request: v1.CompletionRequest, call: Call) -> AsyncIterator[v1.CompletionEvent]:
        return attempts(
            partial(self._prepared_prompt, request), lambda it: self._upstream.complete(it, call), self.engine
        )

    async def count_tokens(self, request: v1.CompletionRequest, call: Call) -> v1.CountTokensResponse:
        tokens = await self._tokenizer.count(await self._prepared(request))
        return v1.CountTokensResponse(input_tokens=tokens, tokenizer=self._model.provider_model)

    async def tokenize(self, request: v1.TokenizeRequest, call: Call) -> v1.TokenizeResponse:
        if request.HasField("request"):
            tokens = await self._tokenizer.split_prompt(await self._prepared(request.request))
        else:
            size, most = len(request.text.encode()), self._max_bytes
            if size > most:
                raise invalid(FieldViolation("text", f"has {size:,} bytes; at most {most:,} for the embedded model"))
            tokens = await self._tokenizer.split_text(request.text)
        return v1.TokenizeResponse(tokens=tokens)

    async def _prepared_prompt(self, request: v1.CompletionRequest) -> v1.CompletionRequest:
        """As `_prepared`. A prompt that is far too long is counted, because the tokenizer limits that work."""
        prepared = await self._prepared(request)
        limit = self._model.context_window_tokens
        long = limit > 0 and request.ByteSize() > limit * BYTES_PER_TOKEN
        if long and (counted := await self._tokenizer.count(prepared)) >= limit:
            raise _too_long(f"The prompt has {counted} tokens; the model takes {limit}", limit=limit, counted=counted)
        return prepared

    async def _prepared(self, request: v1.CompletionRequest) -> v1.CompletionRequest:
        """The request as the engine gets it. Raises INVALID_FIELD and CONTEXT_LENGTH_EXCEEDED for what would keep the
        engine busy, which does not notice that a caller has left while it counts tokens."""
        if request.ByteSize() > self._max_bytes:
            taken = f"the embedded model takes {self._max_bytes:,} at most, which are more than its context holds"
            raise _too_long(f"The request has {request.ByteSize():,} bytes; {taken}")
        await check_constraints(request)
        prepared = v1.CompletionRequest()
        prepared.CopyFrom(request)
        config = prepared.generation_config
        if not config.HasField("temperature"):
            config.temperature = TEMPERATURE
        if not config.HasField("top_p"):
            config.top_p = TOP_P
        if not config.HasField("max_output_tokens"):
            config.max_output_tokens = self._model.max_output_tokens
        if self._system and request.messages and request.messages[0].role not in (v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER):
            system = v1.Message(role=v1.ROLE_SYSTEM, parts=[v1.Part(text=self._system)])
            del prepared.messages[:]
            prepared.messages.extend([system, *request.messages])
        return prepared


def _too_long(why: str, **counts: int) -> CompletionError:
    metadata = {name: str(count) for name, count in counts.items()}
    reason = v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED
    return CompletionError(code_pb2.INVALID_ARGUMENT, reason, f"{why}. Shorten the prompt.", metadata=metadata)


def _model(name: str, title: str, context: int, quirks: Quirks) -> v1.Model:
    return v1.Model(
        display_name=title,
        provider_model=name,
        aliases=["local", name],
        context_window_tokens=context,
        max_output_tokens=context,
        capabilities=[v1.CAPABILITY_COUNT_TOKENS, v1.CAPABILITY_TOKENIZE],
        supported_fields=quirks.supported_fields,
        conversation_fields=quirks.conversation_fields,
        availability=v1.AVAILABILITY_READY,
        local=True,
    )


async def _quirks(http: EngineHttp) -> Quirks:
    """Tools only if the model's template has a place for them: other templates drop them without an error."""
    template = await _ask_engine(http, "/props", lambda answer: answer["chat_template_caps"])
    return replace(LLAMA_CPP, tools=bool(template.get("supports_tools") and template.get("supports_tool_calls")))


async def _context_window(http: EngineHttp) -> int:
    """Tokens of a slot as the engine created it: it rounds them, and caps them at what the model was trained for."""
    return await _ask_engine(http, "/v1/models", lambda answer: int(answer["data"][0]["meta"]["n_ctx"]))


async def _ask_engine(http: EngineHttp, path: str, read: Callable[[Any], T]) -> T:
    try:
        return read(json.loads((await http.get(path)).body))
    except HttpError as error:
        raise EngineError(f"The engine does not describe its model: {error}.") from error
    except (ValueError, LookupError, TypeError):
        raise EngineError(
            f"The engine's answer to {path} is unknown. Check that the version of xllamacpp fits."
        ) from None


def _name(settings: LocalSettings, weights: Path) -> str:
    if settings.name is not None or settings.path is None:
        return settings.name or NAME
    return re.sub(r"[^a-z0-9._-]+", "-", weights.stem.lower()).strip("-.") or "model"
