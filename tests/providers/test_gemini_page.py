"""What docs/gemini.md says holds."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from dragoman_service.dialects.google.gemini.server.response import REASONS
from dragoman_service.providers.google.gemini.settings import GeminiSettings
from dragoman_service.settings.settings import load
from raw_http import asked

PAGE = (Path(__file__).parents[2] / "docs" / "gemini.md").read_text()
MAPPED, PROVIDERS = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
TABLE = PAGE.partition("## Gemini as a provider")[2]
KEYS = dict(re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", TABLE, re.M))
BODY = {"contents": [{"parts": [{"text": "Hello there!"}]}]}


def test_the_shown_settings_are_valid(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(MAPPED + PROVIDERS.replace("service_account", "access_token"))
    providers = load(tmp_path / "dragoman.toml", {"GEMINI_API_KEY": "secret"}).providers
    google, cloud = (
        GeminiSettings.model_validate({key: value for key, value in providers[name].items() if key != "plugin"})
        for name in ("google", "cloud")
    )

    assert google.key_header == {"x-goog-api-key": "secret"}
    assert cloud.address == "https://europe-west4-aiplatform.googleapis.com/v1"


def test_every_key_is_listed_with_its_default() -> None:
    told = tomllib.loads("\n".join(f"{name} = {default}" for name, default in KEYS.items() if default))
    required: dict[str, Any] = {"models": ["m"], "project": "p"}

    assert set(KEYS) == set(GeminiSettings.model_fields)
    assert GeminiSettings.model_validate(required | told) == GeminiSettings.model_validate(required)


async def test_the_shown_command_and_all_paths_are_served(start_service: Any) -> None:
    service = await start_service()
    command = re.search(r"curl -sS \"http://127.0.0.1:8080(\S+)\".*?-d '(.+?)'", PAGE, re.S)
    assert command is not None
    async with asked(service.http_address, "POST", command[1], json.loads(command[2])) as answer:
        told = await answer.json()
    found = {}
    for verb, path in re.findall(r"`(POST|GET) (/\S+)`", PAGE):
        where = re.sub(r"\bM\b", "echo", path)
        async with asked(service.http_address, verb, where, BODY if verb == "POST" else None) as answer:
            found[path] = answer.status

    assert told["candidates"][0]["content"]["parts"] == [{"text": "Hello there!"}]
    assert len(found) > 8
    assert set(found.values()) == {200}, found


def test_every_finish_reason_is_listed() -> None:
    assert set(REASONS.values()) <= set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.M))
