"""docs/embedded-model.md agrees with the settings and the supported fields."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from dragoman import v1
from dragoman_service.dialects.openai.client.quirks import LLAMA_CPP
from dragoman_service.providers.local import provider
from dragoman_service.providers.local.constraints import expressions, schema
from dragoman_service.providers.local.constraints.bounds import TOOL_SCHEMAS
from dragoman_service.providers.local.constraints.notation import RULES
from dragoman_service.providers.local.engine.main import BATCH
from dragoman_service.providers.local.provider import LocalSettings
from dragoman_service.providers.local.tokenizer import TURNS

PAGE = (Path(__file__).parents[2] / "docs" / "embedded-model.md").read_text()
KEYS = re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", PAGE, re.MULTILINE)
TABLES = [tomllib.loads(block)["providers"] for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]


def test_every_key_is_listed_with_its_default() -> None:
    written = "\n".join(f"{name} = {default}" for name, default in KEYS if default)

    assert [name for name, _ in KEYS] == [*LocalSettings.model_fields]
    assert LocalSettings.model_validate(tomllib.loads(written)) == LocalSettings()
    assert len(tomllib.loads(written)) == 2


def test_the_shown_table_is_valid() -> None:
    assert LocalSettings.model_validate(TABLES[0]["local"]).context_tokens == 8192


def test_the_shown_texts_and_numbers_are_those_of_the_code() -> None:
    shown = re.sub(r"\s+", " ", PAGE)

    assert f'"{provider.SYSTEM}"' in shown
    assert f"`temperature` is {provider.TEMPERATURE}, `top_p` {provider.TOP_P}" in shown
    assert f"wait up to {provider.READY_TIMEOUT:g} seconds" in shown
    assert LLAMA_CPP.alongside["presence_penalty"] == {"repeat_last_n": 4096}
    assert "look back over 4,096 tokens" in shown
    assert f"has {provider.MAX_BYTES:,} bytes at most, or {provider.BYTES_PER_TOKEN} for each token" in shown
    assert TURNS == 2, "works on two of them at a time"
    assert BATCH == 64, "within a second while it reads the prompt"


def test_the_shown_bounds_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| (.+?) \| ([\d,; ]+) \|$", PAGE, re.MULTILINE))
    bounds = [[int(number.replace(",", "")) for number in row.split("; ")] for row in rows.values()]

    assert bounds == [
        [expressions.ALTERNATIVES],
        [expressions.ALTERNATIVES, schema.PROPERTIES],
        [expressions.OPTIONALS, expressions.OPTIONALS],
        [expressions.REPETITIONS, expressions.REPETITIONS],
        [expressions.LENGTH],
        [schema.PATTERN, TOOL_SCHEMAS],
        [expressions.NESTING, expressions.DEPTH, schema.DEPTH],
        [RULES],
    ]


def test_all_of_the_configuration_is_supported_but_what_the_page_excludes() -> None:
    config = {field.name for field in v1.GenerationConfig.DESCRIPTOR.fields} - {"response_format", "reasoning"}
    formats = {f"response_format.{field.name}" for field in v1.ResponseFormat.DESCRIPTOR.fields}

    assert set(LLAMA_CPP.supported_fields) == {f"generation_config.{name}" for name in config | formats} | {
        "prompt",
        "extensions.logit_bias",
    }
    assert "All of GenerationConfig but `reasoning`, `prompt`, and the extension `logit_bias`." in PAGE
