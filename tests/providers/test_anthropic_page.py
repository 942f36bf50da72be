"""What docs/anthropic.md says holds."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from dragoman import v1
from dragoman_service.dialects.anthropic.reasons import stop_reason
from dragoman_service.providers.anthropic.settings import AnthropicSettings
from dragoman_service.settings.settings import load
from raw_http import asked

PAGE = (Path(__file__).parents[2] / "docs" / "anthropic.md").read_text()
MAPPED, PROVIDERS = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
TABLE = PAGE.partition("## Anthropic as a provider")[2]
KEYS = dict(re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", TABLE, re.M))
VERSION = {"anthropic-version": "2026-10-21"}


def test_the_shown_settings_are_valid(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(MAPPED + PROVIDERS)
    table = load(tmp_path / "dragoman.toml", {"ANTHROPIC_API_KEY": "secret"}).providers["anthropic"]
    settings = AnthropicSettings.model_validate({key: value for key, value in table.items() if key != "plugin"})

    assert settings.sent_headers["x-api-key"] == "secret"


def test_every_key_is_listed_with_its_default() -> None:
    told = tomllib.loads("\n".join(f"{name} = {default}" for name, default in KEYS.items() if default))

    assert set(KEYS) == set(AnthropicSettings.model_fields)
    assert AnthropicSettings.model_validate(told) == AnthropicSettings()


async def test_the_shown_command_and_all_paths_are_served(start_service: Any) -> None:
    service = await start_service()
    command = re.search(r"curl -sS \"http://127.0.0.1:8080(\S+)\".*?-d '(.+?)'", PAGE, re.S)
    assert command is not None
    body = json.loads(command[2])
    async with asked(service.http_address, "POST", command[1], body) as answer:
        told = await answer.json()
    found = {}
    for verb, path in re.findall(r"`(POST|GET) (/\S+)`", PAGE):
        where = re.sub(r"\bM\b", "echo", path)
        async with asked(service.http_address, verb, where, body if verb == "POST" else None, VERSION) as answer:
            found[path] = answer.status

    assert told["content"] == [{"type": "text", "text": "Hello there!"}]
    assert len(found) == 4
    assert set(found.values()) == {200}, found


def test_every_stop_reason_is_listed() -> None:
    reasons = {stop_reason(v1.Choice(finish_reason=reason)) for reason in v1.FinishReason.values() if reason}

    assert reasons <= set(re.findall(r"^\| `([a-z_]+)` \|", PAGE.partition("## Answers")[2], re.M))
