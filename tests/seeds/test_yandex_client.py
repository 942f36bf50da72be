"""Other calls of Yandex Cloud's oldest and newest tested clients: streams, tokens, operations, failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from seed_program import PROGRAMS, Output, run
from yandex_server import YandexServer, serving_yandex

NEWEST = "yandex-0.19"
Run = Callable[[str], Output]


@pytest.fixture(scope="module")
def yandex(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[YandexServer]:
    with serving_yandex(tmp_path_factory.mktemp("yandex")) as server:
        yield server


@pytest.fixture(params=["yandex-0.2", NEWEST])
def run_program(request: pytest.FixtureRequest, yandex: YandexServer) -> Run:
    return lambda name: run_with(request.param, name, yandex)


def run_with(environment: str, name: str, yandex: YandexServer) -> Output:
    source = (PROGRAMS / "yandex" / f"{name}.py").read_text()
    return run(environment, source, yandex.server.key, environ=yandex.environ)


def operation_of(yandex: YandexServer, name: str) -> operations_pb2.Operation:
    """The operation, read through google.longrunning."""
    credentials = grpc.ssl_channel_credentials(yandex.authority.read_bytes())
    with grpc.secure_channel(yandex.server.grpc, credentials) as channel:
        return operations_pb2_grpc.OperationsStub(channel).GetOperation(
            operations_pb2.GetOperationRequest(name=name),
            metadata=[("authorization", f"Bearer {yandex.server.key}")],
        )


def test_the_blocking_client_completes_streams_counts_and_cancels(run_program, yandex):
    facts = run_program("models").facts
    operation = operation_of(yandex, f"operations/{facts['operation']}")

    assert "Paris" in facts["whole"]
    assert (facts["role"], facts["status"]) == ("assistant", "FINAL")
    assert facts["usage"][2] == facts["usage"][0] + facts["usage"][1] > 0
    assert facts["streamed"][-1] == facts["whole"]
    assert all(later.startswith(earlier) for earlier, later in pairwise(facts["streamed"]))
    assert set(facts["statuses"][:-1]) == {"PARTIAL"}
    assert facts["statuses"][-1] == "FINAL"
    assert "France" in "".join(facts["tokens"])
    assert facts["was_running"]
    assert facts["cancelled"] == [True, grpc.StatusCode.CANCELLED.value[0]]
    assert operation.done
    assert operation.error.code == grpc.StatusCode.CANCELLED.value[0]


def test_the_asynchronous_client_does_the_same(run_program):
    facts = run_program("asynchronous").facts

    assert "Paris" in facts["whole"]
    assert facts["streamed"][-1] == facts["whole"] == facts["deferred"]
    assert len(facts["streamed"]) > 1
    assert facts["tokens"] == facts["usage"][0] == facts["usage"][1]


def test_the_newest_client_comes_back_to_an_operation(yandex):
    facts = run_with(NEWEST, "attached", yandex).facts

    assert "Paris" in facts["text"]


def test_failures_keep_their_codes(run_program):
    facts = run_program("failures").facts

    assert facts["wrong key"]["code"] == "UNAUTHENTICATED"
    assert facts["unknown model"]["code"] == "NOT_FOUND"
    assert "no-such-model" in facts["unknown model"]["message"]
    assert facts["too many tokens"]["code"] == facts["too much asked"]["code"] == "INVALID_ARGUMENT"
    assert facts["operation"]["code"] == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert facts["operation"]["operation"]
