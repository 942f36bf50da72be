"""What the clients hold of the published service config, and what it says."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from dragoman import v1
from dragoman.channel import service_config
from google.longrunning import operations_pb2

CLIENTS = Path(__file__).parents[2] / "clients"
PUBLISHED = CLIENTS / "dragoman_grpc_service_config.json"
COPIES = sorted(path for path in CLIENTS.rglob(PUBLISHED.name) if path != PUBLISHED and "build" not in path.parts)
SERVICES = (
    *(v1.completion_service_pb2, v1.model_service_pb2, v1.limit_service_pb2, v1.usage_service_pb2),
    operations_pb2,
)


def entries() -> list[dict]:
    return json.loads(PUBLISHED.read_text())["methodConfig"]


def test_the_python_client_uses_the_published_config():
    assert service_config() == PUBLISHED.read_text()


@pytest.mark.parametrize("copy", COPIES, ids=str)
def test_copies_are_those_of_the_published_config(copy):
    assert copy.read_text() == PUBLISHED.read_text()


def test_every_method_has_one_entry():
    named = [f"{name['service']}/{name['method']}" for entry in entries() for name in entry["name"]]
    services = [service for module in SERVICES for service in module.DESCRIPTOR.services_by_name.values()]

    assert sorted(named) == sorted(
        f"{service.full_name}/{method.name}" for service in services for method in service.methods
    )


def test_only_unavailable_is_retried_and_deletion_never_is():
    retried = [entry["retryPolicy"]["retryableStatusCodes"] for entry in entries() if "retryPolicy" in entry]
    without = [name["method"] for entry in entries() if "retryPolicy" not in entry for name in entry["name"]]

    assert {tuple(codes) for codes in retried} == {("UNAVAILABLE",)}
    assert without == ["DeleteOperation"]


def test_messages_may_have_64_mib():
    assert {entry["maxResponseMessageBytes"] for entry in entries()} == {64 * 1024**2}


def number_in(file: str, pattern: str) -> int:
    """The product of the factors that follow a name in a source file of a client."""
    found = re.search(pattern + r"\D*([\d_* ]+)", (CLIENTS / file).read_text())
    assert found, f"{file} has no {pattern}"
    return math.prod(int(factor) for factor in found[1].replace("_", "").split("*"))


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("typescript/src/config.ts", ("MAX_MESSAGE_BYTES =", "maxAttempts:", "initialBackoffMs:", "maxBackoffMs:")),
        (
            "rust/src/config.rs",
            ("MAX_MESSAGE_BYTES: usize =", "MAX_ATTEMPTS: u32 =", "INITIAL_BACKOFF: .*millis", r"MAX_BACKOFF: .*secs"),
        ),
    ],
)
def test_constants_of_other_clients_are_those_of_the_published_config(file, names):
    policy = entries()[0]["retryPolicy"]
    size, attempts, first, longest = (number_in(file, name) for name in names)

    assert size == entries()[0]["maxResponseMessageBytes"]
    assert attempts == policy["maxAttempts"]
    assert f"{first / 1000}s" == policy["initialBackoff"]
    assert f"{longest // 1000 or longest}s" == policy["maxBackoff"]
