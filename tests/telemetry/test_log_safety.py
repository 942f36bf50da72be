"""What callers and libraries can put into the log: no key, no control character, and no call without its line."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import re

import grpc
import pytest
import structlog
from dragoman import v1
from dragoman_service.telemetry.log import configure
from dragoman_service.transport.choice import chosen_transport
from grpc_health.v1 import health_pb2, health_pb2_grpc
from raw_http2 import send
from waiting import until

KEY = b"sk-canary-7f3a"
LIST_MODELS = b"/dragoman.v1.ModelService/ListModels"
KEYS = {"keys": [{"id": "one", "sha256": "0" * 64}]}
RAW_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
COLOURS = re.compile("\x1b\\[[0-9;]*m")


class Log:
    """The bytes that the service wrote to its log, in one style."""

    def __init__(self, style: str) -> None:
        self.raw, self.dropped = io.BytesIO(), []
        stream = io.TextIOWrapper(self.raw, "utf-8", write_through=True)
        self.writer = configure("info", style, lambda: self.dropped.append(1), stream)

    @property
    def text(self) -> str:
        return self.raw.getvalue().decode()

    def records(self, event: str) -> list[dict]:
        return [record for record in map(json.loads, self.text.splitlines()) if record["event"] == event]


@pytest.fixture
def log(request):
    """In the style that the test's parameter names, or as JSON."""
    log = Log(getattr(request, "param", "json"))
    yield log
    structlog.reset_defaults()
    log.writer.close()


@pytest.fixture
def json_log():
    log = Log("json")
    yield log
    structlog.reset_defaults()
    log.writer.close()


@pytest.mark.parametrize(
    ("log", "access"), [("json", {}), ("console", KEYS)], indirect=["log"], ids=["without_keys", "with_keys"]
)
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (LIST_MODELS, [(b"authorization", b"Bearer " + KEY + b"\xff")]),
        (LIST_MODELS, [(b"authorization", b"Api-Key \xff" + KEY)]),
        (LIST_MODELS, [(b"authorization", KEY + b"\xc3")]),
        (LIST_MODELS, [(b"x-api-key", b"\xf0\x9f" + KEY)]),
        (b"/\xff" + KEY, []),
    ],
    ids=["bearer", "api_key", "bare", "another_header", "path"],
)
async def test_bytes_that_are_not_utf8_bring_no_key_into_the_log(start_service, log, access, path, headers) -> None:
    service = await start_service(access=access)
    await send(service.grpc_address, path, headers)
    await asyncio.sleep(0.1)
    gc.collect()  # asyncio reports the exception of a task then
    log.writer.close()

    if chosen_transport("auto") == "grpcio":
        assert "codec" in log.text, "the library says that something was not UTF-8"
    assert KEY.decode() not in log.text
    assert not log.dropped


@pytest.mark.parametrize("headers", [b"", b"authorization: Bearer \xff\r\n"], ids=["no_key", "odd_key"])
@pytest.mark.parametrize("agent", [b"odd \xff", b"\xed\xa0\x80", b"\xc3\x28 \x9b31m", b"\xf0\x9f\x92"])
async def test_a_call_over_http_whose_user_agent_is_not_utf8_has_its_line(
    start_service, json_log, agent: bytes, headers: bytes
) -> None:
    service = await start_service(access=KEYS)
    reader, writer = await asyncio.open_connection(*service.http_address.rsplit(":", 1))
    writer.write(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nuser-agent: " + agent + b"\r\n" + headers + b"\r\n")
    answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await until(lambda: json_log.records("rpc.done"))

    assert answer.startswith(b"HTTP/1.1 401")
    (record,) = json_log.records("rpc.done")
    assert (record["method"], record["code"]) == ("ListModels", "Unauthenticated")
    assert record["user_agent"]
    assert len(json_log.text.splitlines()) == len(json_log.text.split("\n")) - 1


@pytest.mark.parametrize("agent", [b"odd \xff", b"\xed\xa0\x80", b"long" * 2000])
async def test_a_call_over_grpc_with_an_odd_user_agent_has_its_line(start_service, json_log, agent: bytes) -> None:
    service = await start_service()
    await send(service.grpc_address, LIST_MODELS, [(b"user-agent", agent)])
    await until(lambda: json_log.records("rpc.done"))

    (record,) = json_log.records("rpc.done")
    assert (record["method"], record["code"]) == ("ListModels", "OK")
    assert 0 < len(record["user_agent"]) <= 256


async def test_a_call_that_asks_for_the_echo_of_odd_metadata_succeeds(start_service, json_log) -> None:
    service = await start_service()
    path = b"/yandex.cloud.ai.foundation_models.v1.TokenizerService/TokenizeCompletion"
    await send(service.grpc_address, path, [(b"x-client-request-id", b"odd \xff")])
    await until(lambda: json_log.records("rpc.done"))

    (record,) = json_log.records("rpc.done")
    assert record["code"] != "Internal"
    assert not json_log.records("rpc.failed")


async def test_control_characters_never_reach_the_log_raw(start_service, prompt, log, refused) -> None:
    service = await start_service()
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        await refused(v1.CompletionServiceStub(channel).CreateCompletion(prompt(model="m\x1b[2J\x9b\r\n\u2028")))
    logger = structlog.get_logger("x")
    logger.warning("odd\x1b]0;title\x07", text="\x1b[31m\nrpc.done", listed=["\x1b", "\udcff"], half="\ud83d")
    logging.getLogger("library").error("said \x1b[31m %s", "\x9b\x00")
    try:
        raise RuntimeError("\x1b[31m Bearer sk-canary-7f3a")
    except RuntimeError:
        logger.exception("failed")
    log.writer.close()
    plain = COLOURS.sub("", log.text) if not log.text.startswith("{") else log.text

    assert "failed" in plain
    assert "rpc.done" in plain
    assert not RAW_CONTROL.search(plain)
    assert "\x1b[31m Bearer" not in log.text
    assert KEY.decode() not in log.text
    assert not log.dropped


def test_ordinary_lines_of_libraries_are_kept(json_log) -> None:
    logging.getLogger("library").warning("the bearer's %s in %s", "ok", {"a": 'b"c'})
    json_log.writer.close()

    assert json_log.text
    assert json.loads(json_log.text)["event"] == "the bearer's ok in {'a': 'b\"c'}"


async def test_the_line_of_a_probe_is_written_at_level_debug(json_log, start_service):
    service = await start_service()
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        await v1.ModelServiceStub(channel).ListModels(v1.ListModelsRequest())
    await until(lambda: json_log.records("rpc.done"))

    assert [record["method"] for record in json_log.records("rpc.done")] == ["ListModels"]
