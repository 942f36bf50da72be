"""Discovery: the vendor's clients learn that every endpoint is at this server."""

from __future__ import annotations

import grpc
import pytest
from dragoman.dialect.yandex import v1 as y
from dragoman_service.settings.settings import SettingsError, load
from yandex_client import refusal, yandex_at


async def test_every_endpoint_is_where_the_server_listens(start_service):
    service = await start_service()
    async with yandex_at(service.grpc_address) as yandex:
        listed = await yandex.endpoints(y.ListApiEndpointsRequest(page_size=1))
        got = await yandex.endpoint(y.GetApiEndpointRequest(api_endpoint_id="operation"))

    assert {endpoint.id for endpoint in listed.endpoints} == {"ai-foundation-models", "operation"}
    assert {endpoint.address for endpoint in listed.endpoints} == {service.grpc_address} == {got.address}
    assert not listed.next_page_token


async def test_an_advertised_address_is_returned_instead(start_service):
    service = await start_service(server={"advertised": "completions.example.com:443"})
    async with yandex_at(service.grpc_address) as yandex:
        listed = await yandex.endpoints(y.ListApiEndpointsRequest())

    assert {endpoint.address for endpoint in listed.endpoints} == {"completions.example.com:443"}


async def test_an_endpoint_that_is_not_served_is_not_found(start_service):
    service = await start_service()
    async with yandex_at(service.grpc_address) as yandex:
        error = await refusal(yandex.endpoint(y.GetApiEndpointRequest(api_endpoint_id="iam")))

    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert "ai-foundation-models" in error.details()


async def test_a_server_on_all_interfaces_says_what_to_set(start_service):
    service = await start_service(server={"grpc": "0.0.0.0:0"}, access={"anonymous": True})
    port = service.grpc_address.rpartition(":")[2]
    async with yandex_at(f"127.0.0.1:{port}") as yandex:
        error = await refusal(yandex.endpoints(y.ListApiEndpointsRequest()))

    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert "server.advertised" in error.details()


@pytest.mark.parametrize("address", ["0.0.0.0:443", "[::]:443", ":443", "example.com", "example.com:0"])
def test_an_address_that_nobody_can_dial_is_a_mistake(address):
    with pytest.raises(SettingsError) as caught:
        load(overrides={"server.advertised": address})

    assert "server.advertised" in str(caught.value)
