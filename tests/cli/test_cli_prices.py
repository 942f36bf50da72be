"""`dragoman prices`: tables from lists of prices in both formats, and what models cost."""

from __future__ import annotations

import builtins
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dragoman import v1
from dragoman_command import invoke
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from price_lists import configured, imported, listed, provider, read

NOON = datetime.now(UTC).replace(hour=12)
ANYWHERE = "http://127.0.0.1:1/v1"


def table(text: str) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(text)["prices"]
    return found


def test_a_file_becomes_a_table_with_exact_amounts(tmp_path: Path) -> None:
    names = ["plain-1", "long-1", "ranges-1", "free-1", "fine-1"]
    config = configured(tmp_path, provider("house", base_url=ANYWHERE, models=names))
    ended = imported(config, listed(tmp_path), "--provider", "house=acme")

    assert ended.returncode == 0, ended.stderr
    assert table(ended.stdout) == {
        "house/plain-1": {"input": "0.15", "output": "0.6", "cached_input": "0.075"},
        "house/long-1": {
            "input": "1.25",
            "output": "10",
            "cached_input": "0.125",
            "reasoning": "3",
            "tiers": [{"above": 200_000, "input": "2.5", "output": "15", "cached_input": "0.125", "reasoning": "3"}],
        },
        "house/ranges-1": {"input": "1", "output": "5", "tiers": [{"above": 32_000, "input": "2", "output": "10"}]},
        "house/free-1": {"input": "0", "output": "0"},
        "house/fine-1": {"input": "0.000333333", "output": "0.4", "cached_input": "0.000000008"},
    }
    assert ended.stderr.endswith("5 prices\n")


def test_the_table_is_read_by_a_service(tmp_path: Path) -> None:
    config = configured(tmp_path, provider("house", base_url=ANYWHERE, models=["long-1"]))
    prices = read(config, imported(config, listed(tmp_path), "--provider", "house=acme").stdout)
    usage = v1.Usage(input_tokens=300_000, cached_input_tokens=100_000, output_tokens=1000, reasoning_tokens=400)
    cost = prices.cost("house/long-1", usage)

    assert cost is not None
    assert cost.nano_usd == 200_000 * 2500 + 100_000 * 125 + 600 * 15_000 + 400 * 3000


def test_models_without_a_usable_price_are_told_and_left_out(tmp_path: Path) -> None:
    names = ["plain-1", "embeds-1", "halves-1", "broken-1", "negative-1", "unknown-1"]
    config = configured(tmp_path, provider("house", base_url=ANYWHERE, models=names))
    ended = imported(config, listed(tmp_path), "--provider", "house=acme")

    assert list(table(ended.stdout)) == ["house/plain-1"]
    assert [line for line in ended.stderr.splitlines() if line.startswith("no price")] == [
        f"no price for house/{name}" for name in names[1:]
    ]


def test_a_provider_without_a_list_of_models_gets_all_that_the_vendor_has(tmp_path: Path) -> None:
    config = configured(tmp_path, provider("acme", base_url="https://api.acme.example/v1"))
    ended = imported(config, listed(tmp_path), "--model", "acme/unknown-1")
    names = [name.partition("/")[2] for name in table(ended.stdout)]

    assert names == ["plain-1", "long-1", "ranges-1", "free-1", "fine-1"]
    assert "no price for acme/unknown-1" in ended.stderr
    assert "halves-1" not in ended.stderr


def test_targets_in_the_settings_count_as_models(tmp_path: Path) -> None:
    routed = '[models.fast]\ntargets = ["house/plain-1"]\n'
    config = configured(tmp_path, provider("house", base_url=ANYWHERE, models=["free-1"]) + routed)
    ended = imported(config, listed(tmp_path), "--provider", "house=acme")

    assert list(table(ended.stdout)) == ["house/free-1", "house/plain-1"]


@pytest.mark.parametrize(
    ("name", "settings", "vendor"),
    [
        ("x", {"base_url": "https://eu.api.acme.example/v1"}, True),
        ("acme", {"base_url": ANYWHERE}, False),  # a name and an address of one's own say nothing about the vendor
        ("acme", {"base_url": "https://acme.bolt_ai.example/v1"}, False),
        ("acme", {"plugin": "acme"}, True),
        ("x", {"vendor": "bolt", "models": ["acme_ai/other"]}, True),  # whose name in the list is bolt_ai
    ],
)
def test_a_vendor_is_found_only_if_it_is_certain(
    tmp_path: Path, name: str, settings: dict[str, Any], *, vendor: bool
) -> None:
    config = configured(tmp_path, provider(name, **{"models": ["plain-1"], **settings}))
    ended = imported(config, listed(tmp_path))

    assert (ended.returncode == 0) is vendor
    assert (f"name it with --provider {name}=ID" in ended.stderr) is not vendor


def test_the_file_is_written_as_a_whole_and_says_where_it_is_from(tmp_path: Path) -> None:
    config = configured(tmp_path, provider("house", base_url=ANYWHERE, models=["plain-1"]))
    out = tmp_path / "prices.toml"
    out.write_text("old")
    failed = imported(config, listed(tmp_path), "--output", str(out))
    before = out.read_text()
    ended = imported(config, listed(tmp_path), "--provider", "house=acme", "--output", str(out))

    assert (failed.returncode, before) == (1, "old")
    assert "has no price for any model of the configured providers" in failed.stderr
    assert ended.stdout == ""
    assert out.read_text().startswith("# Prices of list.json, written by `dragoman prices import`.\n\n[prices.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dragoman.toml", "list.json", "prices.toml"]


def test_the_settings_may_name_the_file_before_it_is_written(tmp_path: Path) -> None:
    named = '[prices]\nfile = "prices.toml"\n'
    config = configured(tmp_path, provider("house", base_url=ANYWHERE, models=["plain-1"]) + named)
    ended = imported(config, listed(tmp_path), "--provider", "house=acme", "--output", str(tmp_path / "prices.toml"))
    shown = invoke("prices", "show", "--config", str(config))

    assert ended.returncode == 0, ended.stderr
    assert shown.stdout.splitlines()[1].split()[:2] == ["house/plain-1", "0.15"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", "should be a JSON object with an entry for each model"),
        ("{}", "contains no models with a `litellm_provider`"),
        ('{"a": 1, "b": {"litellm_provider": 7}}', "contains no models with a `litellm_provider`"),
    ],
)
def test_a_file_that_is_no_list_is_told(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "list.json"
    if content is not None:
        path.write_text(content)
    ended = imported(configured(tmp_path, ""), path)

    assert ended.returncode == 1
    assert ended.stderr == f"error: {path}: {reason}\n"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--provider", "house"), "'house' should be NAME=ID"),
        (("--provider", "home=acme"), "there is no provider 'home'; configured: house"),
        (("--provider", "house=amce"), "list.json has no 'amce'; it has acme, bolt_ai, bolt_ai-text-models"),
        (("--model", "plain-1"), "'plain-1' should be PROVIDER/MODEL"),
        (("--model", "home/plain-1"), "there is no provider 'home'; configured: house"),
    ],
)
def test_options_that_name_nothing_are_usage_errors(tmp_path: Path, options: tuple[str, ...], reason: str) -> None:
    config = configured(tmp_path, provider("house", base_url=ANYWHERE))
    ended = imported(config, listed(tmp_path), *options)

    assert ended.returncode == 2
    assert reason in " ".join(ended.stderr.replace("│", " ").split())


def test_without_the_package_the_command_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imports = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "genai_prices":
            raise ImportError(name)
        return imports(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    ended = imported(configured(tmp_path, ""), "genai-prices")

    assert ended.returncode == 1
    assert ended.stderr == (
        "error: the package genai-prices is not installed: pip install 'dragoman-service[prices]'\n"
    )


# Vendors that the settings know, whose lists have tiers, prices of cached tokens, and prices that change.
PUBLISHED = (
    provider("big", vendor="openai") + provider("deep", vendor="deepseek") + provider("g", plugin="gemini", models=[])
)
USAGES = [(0, 0, 0), (1, 0, 1), (999, 100, 77), (200_000, 0, 1000), (200_001, 150_000, 1), (900_000, 900_000, 12_345)]


def test_the_package_prices_every_model_as_the_package_itself_does(tmp_path: Path) -> None:
    vendors = {"big": "openai", "deep": "deepseek", "g": "google", "far": "openrouter"}
    text = PUBLISHED.replace("models = []", "") + provider("far", base_url="https://openrouter.ai/api/v1")
    config = configured(tmp_path, text)
    ended = imported(config, "genai-prices")
    prices, found = read(config, ended.stdout), table(ended.stdout)
    changing = {line.partition(": ")[0] for line in ended.stderr.splitlines() if "time of day" in line}
    wrong = [
        (name, usage)
        for name in found
        if name not in changing
        for usage in USAGES
        if abs(_ours(prices, name, usage) - _theirs(vendors[name.partition("/")[0]], name.partition("/")[2], usage)) > 1
    ]

    assert ended.returncode == 0, ended.stderr
    assert wrong == []
    assert len(found) > 300
    assert sum("tiers" in price for price in found.values()) > 10
    assert any(name.startswith("deep/") for name in changing)
    assert found["far/deepseek/deepseek-r1:free"] == {"input": "0", "output": "0"}


def _ours(prices: Any, name: str, usage: tuple[int, int, int]) -> int:
    read, cached, written = usage
    cost = prices.cost(name, v1.Usage(input_tokens=read, cached_input_tokens=cached, output_tokens=written))
    return int(cost.nano_usd)


def _theirs(vendor: str, model: str, usage: tuple[int, int, int]) -> int:
    read, cached, written = usage
    counts = Usage(input_tokens=read, cache_read_tokens=cached, output_tokens=written)
    priced = get_snapshot().calc(counts, model, vendor, None, NOON)
    return round(Decimal(priced.total_price) * 10**9)


def test_models_of_a_list_in_the_settings_are_found_by_the_rules_of_the_package(tmp_path: Path) -> None:
    models = ["gpt-4o-2024-08-06", "chatgpt-4o-latest", "house-made"]
    ended = imported(configured(tmp_path, provider("big", vendor="openai", models=models)), "genai-prices")

    assert set(table(ended.stdout)) == {"big/gpt-4o-2024-08-06", "big/chatgpt-4o-latest"}
    assert "no price for big/house-made" in ended.stderr


def test_a_server_of_ones_own_is_not_taken_for_the_vendor_whose_dialect_it_speaks(tmp_path: Path) -> None:
    config = configured(tmp_path, provider("openai", base_url=ANYWHERE, models=["gpt-4o"]))
    ended = imported(config, "genai-prices")

    assert ended.returncode == 1
    assert "has no vendor that is certainly that of provider 'openai'" in ended.stderr


def test_show_tells_what_models_cost_and_where_the_price_comes_from(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(
        '[prices."house/big"]\ninput = 9\noutput = 9\n[prices."house/*"]\ninput = 1\noutput = 2'
    )
    own = (
        '[prices]\nfile = "prices.toml"\n[prices."house/big"]\ninput = "2.50"\noutput = 10\ncached_input = "0.25"\n'
        'cache_write = "3.125"\n'
        "tiers = [{ above = 200_000, input = 5, output = 15 }]\n"
    )
    other = provider("other", base_url=ANYWHERE, models=["large"])
    config = configured(tmp_path, provider("house", base_url=ANYWHERE, models=["big", "small"]) + other + own)
    everything = invoke("prices", "show", "--config", str(config))
    one = invoke("prices", "show", "house/small", "--config", str(config))
    none = invoke("prices", "show", "elsewhere/small", "--config", str(config))
    file = str(tmp_path / "prices.toml")

    assert [line.split() for line in everything.stdout.splitlines()] == [
        ["MODEL", "ABOVE", "INPUT", "CACHED", "WRITTEN", "OUTPUT", "REASONING", "FROM"],
        ["house/big", "2.5", "0.25", "3.125", "10", "10", "settings"],
        ["house/big", "200000", "5", "5", "5", "15", "15", "settings"],
        ["house/*", "1", "1", "1", "2", "2", file],
        ["house/small", "1", "1", "1", "2", "2", file],
    ]
    assert everything.stderr == "no price for other/large\n"
    assert one.stdout.splitlines()[1].split() == ["house/small", "1", "1", "1", "2", "2", file]
    assert (none.returncode, none.stderr) == (1, "error: there is no price for elsewhere/small\n")
