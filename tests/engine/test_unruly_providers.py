"""Providers that raise what they must not, never wait or will not stop: their call ends, and others are served."""

import asyncio
import time
from contextlib import suppress

import pytest
from dragoman import v1
from dragoman_service.catalogue.catalogue import Catalogue
from dragoman_service.contract import CompletionError
from dragoman_service.engine.engine import Engine
from dragoman_service.testing import Scripted, choice_finished, delta, usage
from engine_calls import answer, error_of, model, request_of
from relaying import FOREVER, failure, kinds, read_all, relay_of
from structlog.testing import capture_logs

pytestmark = pytest.mark.usefixtures("nothing_is_left")


class OwnBaseError(BaseException):
    """What no `except Exception` catches."""


BASE = [SystemExit("out"), SystemExit(), KeyboardInterrupt(), OwnBaseError("own"), asyncio.CancelledError()]


@pytest.mark.parametrize("raised", BASE, ids=repr)
async def test_no_exception_of_a_provider_ends_more_than_its_call(raised):
    error, lines = await failure(delta("a"), raised)

    assert error.reason_name == "PLUGIN_FAILED"
    assert lines[0]["provider"] == "p"


@pytest.mark.parametrize("raised", [*BASE, GeneratorExit()], ids=repr)
async def test_no_exception_at_the_call_of_complete_ends_more_than_its_call(raised):
    class Wrong(Scripted):
        def complete(self, request, call):
            raise raised

    async with asyncio.timeout(5), relay_of(Wrong()) as relay:
        with pytest.raises((CompletionError, RuntimeError)):
            await relay.completion()


@pytest.mark.parametrize("raised", [*BASE, RuntimeError("own")], ids=repr)
async def test_models_that_raises_hides_no_others(raised):
    class Wrong(Scripted):
        def models(self):
            raise raised

    catalogue = Catalogue({"wrong": Wrong(), "right": Scripted()}, {"closed": "did not open"})

    assert [found.name for found in catalogue.models()] == ["right/scripted"]
    assert list(catalogue.unreachable) == ["wrong", "closed"]
    assert type(raised).__name__ in catalogue.unreachable["wrong"]


@pytest.mark.parametrize(
    "returned",
    [None, [None], ["text"], [v1.Delta()], 7, iter(lambda: v1.Model(), None)],
    ids=lambda v: type(v).__name__,
)
async def test_models_that_returns_no_models_hides_no_others(returned):
    class Wrong(Scripted):
        def models(self):
            return returned

    catalogue = Catalogue({"wrong": Wrong(), "right": Scripted()}, {})

    assert [found.name for found in catalogue.models()] == ["right/scripted"]
    assert list(catalogue.unreachable) == ["wrong"]
    error = await error_of(answer(Engine(catalogue), request_of("wrong/scripted")))
    assert error.reason_name == "NO_PROVIDER_AVAILABLE"


class Restless(Scripted):
    """Yields the same event for ever, and never waits."""

    def __init__(self, event):
        super().__init__()
        self._event = event

    async def complete(self, request, call):
        while True:
            yield self._event


@pytest.mark.parametrize("event", [delta(""), delta("a"), usage(1, 1)], ids=["empty delta", "delta", "usage"])
@pytest.mark.parametrize("streamed", [False, True], ids=["complete", "stream"])
async def test_a_provider_that_never_waits_lets_others_run_until_the_deadline(event, streamed):
    longest, begin = 0.0, time.monotonic()

    async def others():
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before)

    other = asyncio.create_task(others())
    async with relay_of(Restless(event), remaining=1.0) as relay:
        try:
            if streamed:
                async for _ in relay:
                    await asyncio.sleep(0)
            else:
                await relay.completion()
        except CompletionError as error:
            assert error.reason_name == "DEADLINE"  # noqa: PT017 - an answer is impossible
    other.cancel()

    took = time.monotonic() - begin
    assert longest < took * 0.75, "others never ran until the deadline"
    assert took < 30, "the deadline never fired"


class Counting(Scripted):
    """Has a tokenizer that does what `count` does."""

    def __init__(self, count):
        super().__init__(model=model("scripted", capabilities=[v1.CAPABILITY_COUNT_TOKENS, v1.CAPABILITY_TOKENIZE]))
        self._count = count

    async def count_tokens(self, request, call):
        return await self._count()

    async def tokenize(self, request, call):
        return await self._count()


async def counted(count, **call):
    engine = Engine(Catalogue({"p": Counting(count)}, {}))
    async with asyncio.timeout(5):
        return await error_of(engine.count_tokens(request_of("p/scripted"), engine.call("me", **call)))


@pytest.mark.parametrize("raised", BASE, ids=repr)
async def test_no_exception_of_a_tokenizer_ends_more_than_its_call(raised):
    async def raise_it():
        raise raised

    assert (await counted(raise_it)).reason_name == "PLUGIN_FAILED"


@pytest.mark.parametrize("returned", [None, 7, v1.TokenizeResponse(), v1.CountTokensResponse(input_tokens=-1)], ids=str)
async def test_what_is_no_count_of_tokens_is_provider_malformed(returned):
    async def give():
        return returned

    assert (await counted(give)).reason_name == "PROVIDER_MALFORMED"


async def test_a_tokenizer_that_will_not_be_cancelled_does_not_outlast_the_deadline():
    release = asyncio.Event()

    async def stubborn():
        try:
            await FOREVER().wait()
        except asyncio.CancelledError:
            await release.wait()
        raise ValueError("too late")

    assert (await counted(stubborn, remaining=0.05)).reason_name == "DEADLINE"
    release.set()


async def test_kinds_of_a_sound_answer_stay_as_they_were():
    async with relay_of(Scripted(delta("a"), usage(1, 1), choice_finished())) as relay:
        events, error = await read_all(relay)

    assert kinds(events) == ["started", "delta", "usage", "choice_finished", "finished"]
    assert error is None


async def test_a_provider_that_swallows_its_cancellation_keeps_neither_its_call_nor_the_end_open():
    release = asyncio.Event()

    class Stubborn(Scripted):
        async def complete(self, request, call):
            while not release.is_set():
                with suppress(asyncio.CancelledError):
                    await release.wait()
            yield delta("too late")

    engine = Engine(Catalogue({"p": Stubborn()}, {}))
    call = engine.call("me")
    async with asyncio.timeout(5), engine.relay(request_of("p/scripted"), call) as relay:
        await asyncio.sleep(0.01)
        engine.stop()
        _, error = await read_all(relay)
    with capture_logs() as lines:
        await engine.closed(0.05)
    release.set()

    assert error.reason_name == "SHUTTING_DOWN"
    assert [(line["event"], line["task"]) for line in lines] == [("provider.stuck", f"relay {call.id}")]
