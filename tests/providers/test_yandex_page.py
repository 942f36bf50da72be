"""What docs/yandex.md says holds."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import aiohttp
import pytest
from dragoman_service.dialects.yandex.names import PACKAGES
from dragoman_service.providers.yandex.settings import YandexSettings
from dragoman_service.settings.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "yandex.md").read_text()
SERVER, PROVIDER = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
KEYS = dict(re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", PAGE, re.M))


def test_the_shown_settings_are_valid(tmp_path):
    (tmp_path / "dragoman.toml").write_text(SERVER + PROVIDER)
    for name in ("server.pem", "server.key"):
        (tmp_path / name).touch()
    settings = load(tmp_path / "dragoman.toml", {"YC_API_KEY": "secret"})

    assert str(settings.server.advertised) == "completions.example.com:443"
    assert YandexSettings.model_validate(
        {key: value for key, value in settings.providers["cloud"].items() if key != "plugin"}
    ).metadata[0] == ("authorization", "Api-Key secret")


def test_every_key_is_listed_with_its_default():
    told = tomllib.loads("\n".join(f"{name} = {default}" for name, default in KEYS.items() if default))
    required = {"folder_id": "f", "models": ["m"]}

    assert set(KEYS) == set(YandexSettings.model_fields)
    assert YandexSettings.model_validate(required | told) == YandexSettings.model_validate(required)


async def test_the_shown_command_works(start_service):
    service = await start_service()
    command = re.search(r"curl -sS http://127.0.0.1:8080(\S+).*?-d '(.+?)'", PAGE, re.S)
    assert command is not None
    url = f"http://{service.http_address}{command[1]}"
    async with aiohttp.ClientSession() as session, session.post(url, json=json.loads(command[2])) as answer:
        told = await answer.json()

    assert told["result"]["alternatives"][0]["message"]["text"] == "Hello there!"


@pytest.mark.parametrize("path", re.findall(r"`((?:ai|operation|endpoint)\.[\w.]+)/", PAGE))
def test_every_service_that_is_listed_is_a_twin(path):
    package = f"yandex.cloud.{path.rpartition('.')[0]}"

    assert package in PACKAGES.values()
