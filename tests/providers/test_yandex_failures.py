"""Why a Yandex upstream fails: its own words reach the caller, and those of gRPC only the log."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from dragoman.dialect.yandex import v1 as y
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.yandex.names import COMPLETION
from dragoman_service.providers.yandex.provider import open_yandex
from dragoman_service.providers.yandex.settings import YandexSettings
from dragoman_service.settings.types import Address
from dragoman_service.testing.serving import serving
from google.protobuf.json_format import ParseDict
from raw_http import asked
from structlog.testing import capture_logs
from yandex_stand_in import StandIn, events_of

KEY = "AQVNcanarycanarycanary"
REST = {"modelUri": "gpt://f/up/m", "messages": [{"role": "user", "text": "hi"}]}


def refusing(code: grpc.StatusCode, words: str) -> Any:
    async def say(request: Any, context: Any) -> AsyncIterator[bytes]:
        await context.abort(code, words)
        yield b""

    return say


async def logged_failures(address: Address, times: int = 1, **settings: Any) -> tuple[list[Any], CompletionError]:
    """The lines about calls of an upstream that gives no response, and the error of the last."""
    told = YandexSettings(folder_id="b1g", models=("m",), endpoint=address, attempts=1, **settings)
    with capture_logs() as lines:
        async with open_yandex(told) as provider:
            for _ in range(times):
                with pytest.raises(CompletionError) as caught:
                    await events_of(provider)
    return [line for line in lines if line["event"] == "upstream.failed"], caught.value


async def test_a_port_where_nobody_listens_is_in_the_log_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (line,), error = await logged_failures(Address("127.0.0.1", port), 2, tls=False)

    assert (line["reason"], line["upstream"], line["log_level"]) == ("refused", f"127.0.0.1:{port}", "warning")
    assert "Connection refused" in line["error"]
    assert error.reason_name == "PROVIDER_UNAVAILABLE"
    assert "provider says" not in error.message


async def test_a_name_that_does_not_exist_is_in_the_log() -> None:
    (line,), error = await logged_failures(Address("upstream.invalid", 443), tls=False)

    assert line["reason"] == "dns"
    assert "upstream.invalid" not in error.message


@pytest.mark.parametrize(("trusted", "reason"), [(True, "tls"), (False, "certificate")])
async def test_what_is_wrong_with_tls_is_in_the_log(tmp_path: Path, trusted: bool, reason: str) -> None:
    ca, other = trustme.CA(), trustme.CA()
    pair = ca.issue_cert("127.0.0.1")
    credentials = grpc.ssl_server_credentials([(pair.private_key_pem.bytes(), pair.cert_chain_pems[0].bytes())])
    other.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = grpc.aio.server()
    secure, plain = server.add_secure_port("127.0.0.1:0", credentials), server.add_insecure_port("127.0.0.1:0")
    await server.start()
    port = plain if trusted else secure
    (line,), _ = await logged_failures(Address("127.0.0.1", port), ca_file=tmp_path / "ca.pem")
    await server.stop(None)

    assert line["reason"] == reason


ONE_ATTEMPT = {"routing.max_attempts": 1, "routing.breaker": False}


async def test_the_upstreams_words_reach_callers_over_rest_and_grpc() -> None:
    stand_in, told = StandIn(), {}
    table = {"plugin": "yandex", "folder_id": "f", "models": ["m"], "tls": False, "attempts": 1}
    async with (
        stand_in.listening() as address,
        serving(None, {"providers": {"up": table | {"endpoint": str(address)}}, **ONE_ATTEMPT}) as served,
    ):
        generate = served.channel.unary_stream(COMPLETION, y.CompletionRequest.SerializeToString)
        for code in (code for code in grpc.StatusCode if code.value[0]):
            stand_in.pieces = refusing(code, f"The folder is\x01closed, {KEY}")
            async with asked(served.running.http_address, "POST", "/foundationModels/v1/completion", REST) as answer:
                told[code, "REST"] = (await answer.json())["error"]["message"]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                _ = [piece async for piece in generate(ParseDict(REST, y.CompletionRequest()))]
            told[code, "gRPC"] = caught.value.details() or ""

    assert {case: text for case, text in told.items() if "The folder is closed, …" not in text} == {}
    assert KEY not in str(told)
