"""What docs/vertex.md says holds."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import aiohttp
import pytest
from dragoman_service.dialects.google.predict.client.request import supported_fields
from dragoman_service.dialects.google.predict.families import Family
from dragoman_service.dialects.google.predict.outcome import encode_finish
from dragoman_service.dialects.google.predict.server.parameters import PARAMETERS
from dragoman_service.providers.google.vertex.settings import VertexSettings
from dragoman_service.settings.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "vertex.md").read_text()
SERVER, PROVIDER = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
KEYS = dict(re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", PAGE, re.M))
REQUIRED = {"project": "p", "models": ["m"], "access_token": "t"}


def test_the_shown_settings_are_valid(tmp_path):
    (tmp_path / "dragoman.toml").write_text(SERVER + PROVIDER)
    settings = load(tmp_path / "dragoman.toml", {})
    table = {**settings.providers["cloud"], "access_token": "t"}

    assert set(settings.models) == {f"{family.value}-*" for family in Family}
    assert VertexSettings.model_validate(
        {key: value for key, value in table.items() if key not in ("plugin", "service_account")}
    ).models == {"chat-bison": Family.CHAT, "code-bison": Family.CODE}


def test_every_key_is_listed_with_its_default():
    told = tomllib.loads("\n".join(f"{name} = {default}" for name, default in KEYS.items() if default))

    assert set(KEYS) == set(VertexSettings.model_fields)
    assert VertexSettings.model_validate(REQUIRED | told).model_dump() == (
        VertexSettings.model_validate(REQUIRED).model_dump()
    )


async def test_the_shown_command_works(start_service):
    service = await start_service()
    command = re.search(r"MODELS=http://127.0.0.1:8080(\S+)\n.*?\$MODELS(\S+)\".*?-d '(.+?)'", PAGE, re.S)
    assert command is not None
    url = f"http://{service.http_address}{command[1]}{command[2]}"
    async with aiohttp.ClientSession() as session, session.post(url, json=json.loads(command[3])) as answer:
        events = (await answer.text()).split("\n\n")

    assert json.loads(events[0].removeprefix("data: "))["outputs"][0]["structVal"]["content"] == {
        "stringVal": ["Hello there!"]
    }


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found is not None
    return found[1]


def test_every_parameter_is_named():
    listed = re.search(r"takes all parameters: (.*?)\.", section("Requests"), re.S)
    left_out = re.search(r"\*\*Left out\*\* with a warning: (.*?), unknown keys", section("Requests"), re.S)
    assert listed is not None
    assert left_out is not None

    assert set(re.findall(r"`(\w+)`", listed[1] + left_out[1])) == set(PARAMETERS)


def test_the_finish_reasons_are_those_that_are_sent():
    listed = re.search(r"`finishReason`\s+\((.*?)\)", section("Answers"), re.S)
    assert listed is not None

    assert set(re.findall(r"`(\w+)`", listed[1])) == {encode_finish(reason) for reason in range(20)}


@pytest.mark.parametrize("family", Family)
def test_the_supported_fields_are_those_of_the_family(family):
    told = {"max_output_tokens", "temperature", "top_p", "top_k"}
    if family is not Family.CODECHAT:
        told.add("stop_sequences")
    if family in (Family.TEXT, Family.CHAT):
        told |= {"seed", "presence_penalty", "frequency_penalty", "include_logprobs", "top_logprobs"}

    assert set(supported_fields(family)) == {f"generation_config.{name}" for name in told}
    line = re.search(r"\*\*Supported\*\* are (.*?)\n- ", section("Vertex AI as a provider"), re.S)
    assert line is not None
    assert set(re.findall(r"`(\w+)`", line[1])) <= {name.removeprefix("generation_config.") for name in ALL}


ALL = {name for family in Family for name in supported_fields(family)}
