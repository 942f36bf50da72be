"""Keys that no header can hold, and models named twice, are mistakes in the table of every provider."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman_service.filters.safety.moderation.settings import ModerationSettings
from dragoman_service.providers.anthropic.settings import AnthropicSettings
from dragoman_service.providers.google.gemini.settings import GeminiSettings
from dragoman_service.providers.openai.settings import OpenAISettings
from dragoman_service.providers.xai.settings import XaiSettings
from dragoman_service.providers.yandex.settings import YandexSettings
from dragoman_service.settings.types import Section
from pydantic import ValidationError

URL = {"base_url": "http://h/v1"}
TABLES: dict[str, tuple[type[Section], dict[str, Any]]] = {
    "anthropic": (AnthropicSettings, {}),
    "gemini": (GeminiSettings, {"models": ["m"]}),
    "openai": (OpenAISettings, URL),
    "xai": (XaiSettings, {}),
    "yandex": (YandexSettings, {"models": ["m"], "folder_id": "f"}),
    "moderation": (ModerationSettings, URL),
}


@pytest.mark.parametrize("plugin", TABLES)
@pytest.mark.parametrize("key", ["two\nlines", "café", ""])
def test_a_key_that_no_header_holds_is_refused(plugin: str, key: str) -> None:
    table, given = TABLES[plugin]
    with pytest.raises(ValidationError, match="one line of printable ASCII"):
        table.model_validate({**given, "api_key": key})


@pytest.mark.parametrize("plugin", [plugin for plugin in TABLES if plugin != "moderation"])
def test_a_model_that_is_named_twice_is_refused(plugin: str) -> None:
    table, given = TABLES[plugin]
    with pytest.raises(ValidationError, match="names a model twice"):
        table.model_validate({**given, "models": ["m", "n", "m"]})
