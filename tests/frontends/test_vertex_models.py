"""The model garden: what the vendor's clients ask of a model before they send it anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman_service.testing.serving import Served, serving
from http_asking import get

METHOD = "/google.cloud.aiplatform.v1.ModelGardenService/GetPublisherModel"
TEMPLATE = "projects/{{user-project}}/locations/{{location}}/publishers/google/models/{}"
SCHEMA = "gs://google-cloud-aiplatform/schema/predict/instance/{}_generation_1.0.0.yaml"
MODEL = {
    "name": "publishers/google/models/chat-bison",
    "publisherModelTemplate": TEMPLATE.format("chat-bison"),
    "predictSchemata": {"instanceSchemaUri": SCHEMA.format("chat")},
}
NAMES = ("chat-bison", "codechat-bison", "my-model")
SETTINGS: dict[str, Any] = {
    "models": {**{name: {"targets": ["echo/echo"]} for name in NAMES}, "code-*": {"targets": ["echo/echo"]}},
}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(settings=SETTINGS) as service:
        yield service


async def asked(served: Served, name: str) -> a.PublisherModel:
    method: Any = served.channel.unary_unary(
        METHOD, a.GetPublisherModelRequest.SerializeToString, a.PublisherModel.FromString
    )
    model: a.PublisherModel = await method(a.GetPublisherModelRequest(name=name), timeout=10)
    return model


FAMILIES = {
    "chat-bison": "chat",
    "chat-bison@002": "chat",
    "codechat-bison": "codechat",
    "code-anything": "code",
    "my-model": "text",
    "echo": "text",
    "echo/echo": "text",
}


async def test_a_model_is_of_the_family_that_its_name_begins_with(served: Served) -> None:
    for name, family in FAMILIES.items():
        base, _, version = name.partition("@")
        model = await asked(served, f"publishers/google/models/{name}")

        assert (model.name, model.version_id) == (f"publishers/google/models/{base}", version)
        assert model.publisher_model_template == TEMPLATE.format(name)
        assert model.predict_schemata.instance_schema_uri == SCHEMA.format(family), name


async def test_a_model_that_is_missing_is_not_found_at_once(served: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asked(served, "publishers/google/models/no-such-model")

    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert "no-such-model" in (caught.value.details() or "")


async def test_a_model_is_the_same_over_http(served: Served) -> None:
    path = "/publishers/google/models/chat-bison"
    found = [
        await get(served.running, f"/{version}{path}{query}")
        for version in ("v1", "v1beta1")
        for query in ("", "?%24alt=json%3Benum-encoding%3Dint")
    ]

    assert [status for status, _ in found] == [200] * 4
    assert [model for _, model in found] == [MODEL] * 4


async def test_over_http_a_missing_model_is_an_error_of_google(served: Served) -> None:
    status, body = await get(served.running, "/v1/publishers/google/models/no-such-model")

    assert (status, body["error"]["code"], body["error"]["status"]) == (404, 404, "NOT_FOUND")
    assert body["error"]["details"][0]["reason"] == "MODEL_NOT_FOUND"
