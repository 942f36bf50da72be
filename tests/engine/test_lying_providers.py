"""Providers that lie, raise what they must not, or never wait: the caller gets a sound error, and others are served."""

import math

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.errors import MAX_MESSAGE
from dragoman_service.testing import Scripted, choice_finished, delta, usage
from google.rpc import code_pb2, error_details_pb2
from relaying import failure, relay_of

pytestmark = pytest.mark.usefixtures("nothing_is_left")


class LieError(Exception):
    """An error of a plugin, with any attributes."""

    def __init__(self, **attributes):
        super().__init__(attributes.pop("text", ""))
        self.code, self.reason = code_pb2.RESOURCE_EXHAUSTED, v1.ERROR_REASON_PROVIDER_RATE_LIMITED
        self.message = "Too many."
        vars(self).update(attributes)


@pytest.mark.parametrize(
    "retry_after",
    [math.nan, math.inf, -math.inf, -1.0, 1e300, 10**400, "soon", True, [1]],
    ids=["nan", "inf", "-inf", "negative", "1e300", "10**400", "text", "bool", "list"],
)
@pytest.mark.parametrize("kind", [LieError, CompletionError], ids=["lookalike", "CompletionError"])
async def test_a_retry_after_that_is_no_time_is_left_out_and_logged(kind, retry_after):
    lie = LieError(retry_after=retry_after)
    if kind is CompletionError:
        lie = CompletionError(lie.code, lie.reason, lie.message)
        lie.retry_after = retry_after
    error, lines = await failure(lie)

    assert (error.reason_name, error.message, error.retry_after) == ("PROVIDER_RATE_LIMITED", "Too many.", None)
    assert [line["event"] for line in lines] == ["plugin.error_corrected"]
    assert "retry_after" in lines[0]["reason"]


def test_a_retry_after_of_our_own_never_spoils_an_error():
    status = CompletionError(14, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, "later", retry_after=math.nan).status("1")

    assert len(status.details) == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (code_pb2.UNAUTHENTICATED, v1.ERROR_REASON_CREDENTIALS_INVALID),
        (code_pb2.UNAUTHENTICATED, v1.ERROR_REASON_PROVIDER_CREDENTIALS),
        (code_pb2.UNAVAILABLE, v1.ERROR_REASON_SHUTTING_DOWN),
        (code_pb2.PERMISSION_DENIED, v1.ERROR_REASON_MODEL_NOT_ALLOWED),
        (code_pb2.NOT_FOUND, v1.ERROR_REASON_MODEL_NOT_FOUND),
        (code_pb2.NOT_FOUND, v1.ERROR_REASON_OPERATION_NOT_FOUND),
        (code_pb2.CANCELLED, v1.ERROR_REASON_CANCELLED),
        (code_pb2.ABORTED, v1.ERROR_REASON_WORKER_LOST),
        (code_pb2.DEADLINE_EXCEEDED, v1.ERROR_REASON_DEADLINE),
        (code_pb2.INTERNAL, v1.ERROR_REASON_INTERNAL),
    ],
)
async def test_a_provider_cannot_speak_for_the_service(code, reason):
    error, lines = await failure(delta("a"), LieError(code=code, reason=reason))

    assert (error.code, error.reason_name) == (code_pb2.INTERNAL, "PLUGIN_FAILED")
    assert "only the service itself" in lines[0]["reason"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"code": "14"},
        {"code": True},
        {"code": 99},
        {"code": 0},
        {"reason": "PROVIDER_REJECTED"},
        {"reason": 10**30},
        {"reason": None},
    ],
    ids=str,
)
async def test_an_error_without_sound_code_and_reason_is_plugin_failed(attributes):
    error, lines = await failure(LieError(**attributes))

    assert error.reason_name == "PLUGIN_FAILED"
    assert lines[0]["event"] == "plugin.failed"


async def test_messages_reach_callers_short_and_printable():
    error, _ = await failure(LieError(message="\x1b[31mred\x00\x07 \ud800 end" + "x" * 1_000_000))

    assert error.message.startswith(" [31mred   ")
    assert len(error.message.encode()) <= MAX_MESSAGE
    assert error.message.isprintable()


async def test_attributes_of_wrong_types_are_left_out():
    lie = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, "away")
    lie.message, lie.retryable, lie.fields, lie.resource = 7, "yes", [1, "x"], b"models/x"
    lie.metadata = {1: 2, "\ud800": "x", "provider": "somebody else", "upstream": "\x00" * 9}
    error, _ = await failure(lie)
    info = error_details_pb2.ErrorInfo.FromString(error.status("1").details[0].value)

    assert (error.reason_name, error.retryable, error.fields, error.resource) == ("PROVIDER_UNAVAILABLE", False, (), "")
    assert info.metadata["provider"] == "p"
    assert info.metadata["upstream"] == " " * 9


async def test_an_error_whose_properties_raise_is_plugin_failed():
    class TrapError(Exception):
        @property
        def code(self):
            raise SystemExit("gone")

        def __str__(self):
            raise KeyboardInterrupt

    error, lines = await failure(TrapError())

    assert error.reason_name == "PLUGIN_FAILED"
    assert lines[0]["event"] == "plugin.failed"


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\x1b[2J\x1b[31m"], ids=["a megabyte", "terminal sequences"])
async def test_the_log_gets_a_short_and_printable_text(text):
    _, lines = await failure(ValueError(text))
    logged = str(lines[0]["exc_info"])

    assert logged.startswith("ValueError: ")
    assert len(logged) < 1000
    assert logged.isprintable()
    assert lines[0]["exc_info"].__traceback__ is not None


@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "total_tokens", "cached_input_tokens"])
@pytest.mark.parametrize("tokens", [-1, 2**63 - 1, 10**9 + 1])
async def test_a_usage_that_cannot_be_is_provider_malformed(field, tokens):
    event = usage(1, 1)
    setattr(event.usage, field, tokens)
    error, _ = await failure(delta("a"), event, choice_finished())

    assert error.reason_name == "PROVIDER_MALFORMED"
    assert str(tokens) in error.message


@pytest.mark.parametrize("cost", [-1, 10**15 + 1])
async def test_a_cost_that_cannot_be_is_provider_malformed(cost):
    event = usage(1, 1)
    event.usage.cost_nano_usd = cost
    error, _ = await failure(delta("a"), event, choice_finished())

    assert error.reason_name == "PROVIDER_MALFORMED"
    assert str(cost) in error.message


@pytest.mark.parametrize(
    "event",
    [
        v1.CompletionEvent(started=v1.Started(provider="q")),
        v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1)),
        v1.CompletionEvent(finished=v1.Finished()),
        v1.CompletionEvent(),
        choice_finished(finish_reason=77),
        choice_finished(choice_index=-1),
        delta("a", choice_index=2**31 - 1),
    ],
    ids=["started", "retracted", "finished", "empty", "finish reason", "negative choice", "choice"],
)
async def test_events_that_a_provider_must_not_send_are_provider_malformed(event):
    error, _ = await failure(delta("a"), event, choice_finished())

    assert error.reason_name == "PROVIDER_MALFORMED"


@pytest.mark.parametrize("event", [None, "text", b"", {"delta": 1}, v1.Delta(text="a")], ids=repr)
async def test_what_is_no_event_is_provider_malformed(event):
    class Wrong(Scripted):
        async def complete(self, request, call):
            yield event

    with pytest.raises(CompletionError) as caught:
        async with relay_of(Wrong()) as relay:
            await relay.completion()

    assert caught.value.reason_name == "PROVIDER_MALFORMED"
