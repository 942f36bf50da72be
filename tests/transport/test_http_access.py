"""Who may read what over HTTP: foreign hosts where there are no keys, and the metrics."""

from __future__ import annotations

import hashlib

import grpc
import pytest
from dragoman import v1
from dragoman_service.transport.http.host import Hosts
from raw_http import asked

PATHS = ["/livez", "/readyz", "/metrics", "/v1/models", "/none"]


def key(name: str, **more) -> dict:
    return {"id": name, "sha256": hashlib.sha256(name.encode()).hexdigest(), **more}


async def status_of(service, path: str, **headers: str) -> int:
    async with asked(service.http_address, "GET", path, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "10.0.0.1", "localhost.evil.example", "127.0.0.1.e"]
)
async def test_a_service_without_keys_refuses_foreign_hosts(start_service, host: str) -> None:
    service = await start_service()
    for path in PATHS:
        async with asked(service.http_address, "GET", path, headers={"host": host}) as answer:
            told = await answer.json()

            assert (answer.status, told["error"]["status"]) == (403, "PERMISSION_DENIED")
            assert host not in told["error"]["message"]


@pytest.mark.parametrize(
    "host", ["localhost:8080", "LOCALHOST", "app.localhost", "127.0.0.1:1", "127.9.9.9", "[::1]:80"]
)
async def test_a_service_without_keys_accepts_local_hosts(start_service, host: str) -> None:
    service = await start_service()

    assert [await status_of(service, path, host=host) for path in PATHS] == [200, 200, 200, 200, 404]


async def test_the_hosts_in_the_settings_are_accepted(start_service) -> None:
    service = await start_service(server={"advertised": "models.example:443"})

    assert await status_of(service, "/v1/models", host="models.example") == 200
    assert await status_of(service, "/v1/models", host="other.example") == 403
    assert Hosts(["[fe80::1]"]).accepts("[FE80::1]:80")


@pytest.mark.parametrize("access", [{"anonymous": True}, {"keys": [key("all")]}], ids=["anonymous", "keys"])
async def test_other_services_accept_any_host(start_service, access) -> None:
    service = await start_service(access=access)

    assert await status_of(service, "/v1/models", host="any.example", authorization="Bearer all") == 200


async def test_metrics_need_a_key_that_may_use_every_model(start_service) -> None:
    service = await start_service(access={"keys": [key("all"), key("some", models=["echo"])]})
    keys = ("", "Bearer wrong", "Bearer some", "Bearer all")
    statuses = [await status_of(service, "/metrics", authorization=value) for value in keys]
    async with asked(service.http_address, "GET", "/metrics", headers={"authorization": "Bearer some"}) as refused:
        told = (await refused.whole()).decode()

    assert statuses == [401, 401, 403, 200]
    assert "echo" not in told


@pytest.mark.parametrize(
    "access",
    [{}, {"anonymous": True, "keys": [key("some", models=["echo"])]}, {"open_metrics": True, "keys": [key("all")]}],
    ids=["no_keys", "anonymous", "open"],
)
async def test_metrics_need_no_key_where_none_is_asked_for(start_service, access) -> None:
    service = await start_service(access=access)

    assert await status_of(service, "/metrics") == 200


async def test_metrics_may_have_an_address_of_their_own(start_service) -> None:
    access = {"keys": [key("all"), key("some", models=["echo"])]}
    service = await start_service(server={"metrics": "127.0.0.1:0"}, access=access)
    address = str(service._context.http.metrics_address)
    found = {}
    for place in (service.http_address, address):
        for path in ("/metrics", "/livez", "/v1/models"):
            async with asked(place, "GET", path, headers={"authorization": "Bearer all"}) as answer:
                found[place == address, path] = answer.status
    async with asked(address, "GET", "/metrics", headers={"authorization": "Bearer some"}) as refused:
        pass

    assert found == {
        (False, "/metrics"): 404,
        (False, "/livez"): 200,
        (False, "/v1/models"): 200,
        (True, "/metrics"): 200,
        (True, "/livez"): 404,
        (True, "/v1/models"): 404,
    }
    assert refused.status == 403


async def test_errors_name_no_provider_that_the_key_may_not_use(start_service, prompt, refused) -> None:
    providers = {"echo": {}, "local": {"path": "/nonexistent/model.gguf"}}
    models = {"hidden": {"targets": ["local/none"]}}
    service = await start_service(providers, models=models, access={"keys": [key("all"), key("some", models=["echo"])]})
    found = {}
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        stub = v1.CompletionServiceStub(channel)
        for caller in ("all", "some"):
            for model in ("local/x", "hidden", "nowhere/x"):
                metadata = [("authorization", f"Bearer {caller}")]
                refusal = await refused(stub.CreateCompletion(prompt(model=model), metadata=metadata))
                found[caller, model] = (refusal.reason, "local" in dict(refusal.info.metadata).values())

    missing, failed = "MODEL_NOT_FOUND", "NO_PROVIDER_AVAILABLE"
    assert [found["some", model] for model in ("local/x", "hidden", "nowhere/x")] == [(missing, False)] * 3
    assert found["all", "local/x"] == (failed, True)
    assert found["all", "hidden"] == (failed, False)
