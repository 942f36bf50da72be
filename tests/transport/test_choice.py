"""The settings choose the transport, and the machine may lack one."""

from __future__ import annotations

import sys

import pytest
from dragoman_service.settings.settings import SettingsError
from dragoman_service.transport import choice
from dragoman_service.transport.choice import chosen_transport
from structlog.testing import capture_logs


@pytest.fixture
def missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "dragoman_http2", None)


@pytest.fixture
def native_by_default(monkeypatch):
    monkeypatch.setattr(choice, "AUTO", "native")


def test_grpcio_needs_no_extension(missing, native_by_default):
    assert chosen_transport("grpcio") == "grpcio"


def test_native_without_its_extension_is_a_mistake(missing):
    with pytest.raises(SettingsError) as caught:
        chosen_transport("native")

    assert caught.value.mistakes[0].path == "server.transport"
    assert "install dragoman-http2" in caught.value.mistakes[0].message


def test_auto_falls_back_and_says_so_once(missing, native_by_default):
    with capture_logs() as lines:
        assert chosen_transport("auto") == "grpcio"

    assert [(line["event"], line["used"]) for line in lines] == [("grpc.transport_missing", "grpcio")]


def test_auto_is_native_where_it_can_be_had(native_by_default):
    pytest.importorskip("dragoman_http2")
    with capture_logs() as lines:
        assert chosen_transport("auto") == "native"

    assert lines == []


@pytest.mark.parametrize("wanted", ["grpcio", "native"])
async def test_the_log_names_what_listens(start_service, prompt, logged, wanted):
    if wanted == "native":
        pytest.importorskip("dragoman_http2")
    service = await start_service(server={"transport": wanted})
    (line,) = logged.records("grpc.listening")

    assert (line["transport"], line["address"]) == (wanted, service.grpc_address)
