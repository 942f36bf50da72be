"""What the tests of `dragoman prices` share: settings, and a list of prices of invented models."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from dragoman_command import invoke
from dragoman_service.limits.prices import Prices, prices_of
from dragoman_service.settings.prices import PricesSettings

# The keys are those of the public format; the models are not anybody's.
ENTRIES: dict[str, Any] = {
    "sample_spec": {"litellm_provider": "one of the vendors", "mode": "chat", "input_cost_per_token": 0.0},
    "acme/plain-1": {
        "litellm_provider": "acme",
        "mode": "chat",
        "input_cost_per_token": 1.5e-07,
        "output_cost_per_token": 6e-07,
        "cache_read_input_token_cost": 7.5e-08,
        "input_cost_per_token_batches": 1e-09,
    },
    "long-1": {
        "litellm_provider": "acme",
        "mode": "chat",
        "input_cost_per_token": 1.25e-06,
        "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-07,
        "output_cost_per_reasoning_token": 3e-06,
        "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "output_cost_per_token_above_200k_tokens": 1.5e-05,
    },
    "ranges-1": {
        "litellm_provider": "acme",
        "tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 5e-06},
            {"range": [32000.0, 128000.0], "input_cost_per_token": 2e-06, "output_cost_per_token": 1e-05},
        ],
    },
    "free-1": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 0.0, "output_cost_per_token": 0},
    "fine-1": {
        "litellm_provider": "acme",
        "mode": "chat",
        "input_cost_per_token": 3.333333333333333e-10,
        "cache_read_input_token_cost": 7.5e-15,  # half a billionth of a US dollar for a million, which no float is
        "output_cost_per_token": "0.0000004",
    },
    "embeds-1": {
        "litellm_provider": "acme",
        "mode": "embedding",
        "input_cost_per_token": 1e-08,
        "output_cost_per_token": 0,
    },
    "halves-1": {"litellm_provider": "acme", "mode": "chat", "input_cost_per_token": 1e-08},
    "broken-1": {"litellm_provider": "acme", "mode": "chat", "tiered_pricing": [{"range": "0-9"}]},
    "negative-1": {"litellm_provider": "acme", "input_cost_per_token": -1, "output_cost_per_token": 1},
    "any-*": {"litellm_provider": "acme", "input_cost_per_token": 1, "output_cost_per_token": 1},
    "acme_ai/other": {
        "litellm_provider": "bolt_ai-text-models",
        "input_cost_per_token": 1e-6,
        "output_cost_per_token": 1e-6,
    },
}


def configured(folder: Path, text: str) -> Path:
    """A settings file."""
    path = folder / "dragoman.toml"
    path.write_text(text)
    return path


def provider(name: str, **table: Any) -> str:
    """The table of a provider in the settings; strings and lists are written alike in JSON and TOML."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"plugin": "openai", **table}.items()]
    return "\n".join([f"[providers.{name}]", *lines, ""])


def listed(folder: Path, entries: object = ENTRIES) -> Path:
    """A file in the public format."""
    path = folder / "list.json"
    path.write_text(json.dumps(entries))
    return path


def imported(config: Path, source: object, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs `dragoman prices import`."""
    return invoke("prices", "import", "--from", str(source), "--config", str(config), *options)


def read(config: Path, text: str) -> Prices:
    """The prices of a service whose settings name a file with this text."""
    config.with_name("prices.toml").write_text(text)
    settings = PricesSettings.model_validate({"file": str(config.with_name("prices.toml"))})
    assert settings.read_imported() == []
    return prices_of(settings)
