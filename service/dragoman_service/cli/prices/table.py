"""Puts the prices of a list to the names of the settings, and the prices of the settings into rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dragoman_service.cli.prices.source import Hints, Source
from dragoman_service.cli.terminal.toml import toml
from dragoman_service.limits.prices import Price, Rates, prices_of
from dragoman_service.settings.prices import PricesSettings
from dragoman_service.settings.settings import Settings
from dragoman_service.settings.types import NanoUsd

SHOWN = 20  # models without a price that are named one by one


@dataclass(slots=True)
class Table:
    """Prices by full names of models, and sentences about what is missing."""

    prices: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def toml(self) -> str:
        """The tables as the settings have them."""
        return toml({"prices": self.prices})


def collect(settings: Settings, source: Source, vendors: Mapping[str, str], more: Sequence[str]) -> Table:
    """The prices of the models of all providers.

    `vendors` are the names of vendors in the list that are certain, `more` names models that the settings do not.
    """
    table, unpriced = Table(), []
    named = [*named_models(settings), *more]
    for name, provider in settings.providers.items():
        vendor = vendors.get(name) or source.provider(_hints(name, provider))
        if vendor is None:
            table.remarks.append(
                f"{source.title} has no vendor that is certainly that of provider {name!r}: name it with "
                f"--provider {name}=ID if there is one"
            )
            continue
        wanted = [one.partition("/")[2] for one in named if one.startswith(f"{name}/")]
        listed = () if _listed(provider) else source.models(vendor)
        unpriced += _add(table, source, name, vendor, wanted, listed)
    table.remarks += [f"no price for {name}" for name in unpriced[:SHOWN]]
    if len(unpriced) > SHOWN:
        table.remarks.append(f"no price for {len(unpriced) - SHOWN} more models")
    return table


def _add(
    table: Table, source: Source, name: str, vendor: str, wanted: Sequence[str], listed: Sequence[str]
) -> list[str]:
    """Adds the prices of one provider. Returns the full names of `wanted` models that have none."""
    unpriced = []
    for model in dict.fromkeys((*wanted, *listed)):
        found = None if "*" in model else source.price(vendor, model)
        if found is not None:
            table.prices[f"{name}/{model}"] = found.table
            if found.remark:
                table.remarks.append(f"{name}/{model}: {found.remark}")
        elif model in wanted:
            unpriced.append(f"{name}/{model}")
    return unpriced


def named_models(settings: Settings) -> list[str]:
    """The full names of models that the settings name: those of providers, and targets."""
    own = [f"{name}/{model}" for name, table in settings.providers.items() for model in _listed(table)]
    return list(dict.fromkeys([*own, *(target for targets in settings.targets.values() for target in targets)]))


def rows(settings: PricesSettings, model: str) -> Iterator[tuple[str, ...]]:
    """The price of a model: a row, and one for each tier. None if there is no price."""
    prices = prices_of(settings)
    price = prices.of(model)
    if price is not None:
        origin = "settings" if prices.is_own(model) else str(settings.file)
        for rates in _steps(price):
            yield _row(model, rates, origin)


def _steps(price: Price) -> tuple[Rates, ...]:
    return price.rates, *price.tiers


def _row(model: str, rates: Rates, origin: str) -> tuple[str, ...]:
    cached = rates.input if rates.cached_input is None else rates.cached_input
    stored = rates.input if rates.cache_write is None else rates.cache_write
    reasoning = rates.output if rates.reasoning is None else rates.reasoning
    amounts = (NanoUsd(amount).usd for amount in (rates.input, cached, stored, rates.output, reasoning))
    return model, str(rates.above or ""), *amounts, origin


def _hints(name: str, table: Mapping[str, Any]) -> Hints:
    vendor, url, plugin = (table.get(key) for key in ("vendor", "base_url", "plugin"))
    return Hints(_text(vendor), _text(url), _text(plugin) or name)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _listed(table: Mapping[str, Any]) -> list[str]:
    """The models in a provider's table, which may be a list or a table with their names."""
    models = table.get("models")
    return [name for name in models if isinstance(name, str)] if isinstance(models, list | tuple | Mapping) else []
