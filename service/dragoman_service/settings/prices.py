"""The settings of prices: what models cost, in the settings themselves and in a file that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from dragoman_service.settings.errors import Mistake, SettingsError, mistakes_of
from dragoman_service.settings.reading.sources import read_file
from dragoman_service.settings.strings import MODEL_TARGET, ModelTarget
from dragoman_service.settings.types import NANO, ConfigPath, Section, Usd

MOST_EXPENSIVE = 1_000_000  # US dollars for a million tokens: one for each token

PriceTables = Mapping[str, "PriceSettings"]
"""Prices by full names of models, or patterns of them such as `vendor/*`, in the order of the file."""


def _is_affordable(price: int) -> int:
    if price > MOST_EXPENSIVE * NANO:
        raise ValueError(f"should be at most {MOST_EXPENSIVE} USD for a million tokens")
    return price


Rate = Annotated[Usd, AfterValidator(_is_affordable)]
"""The price of a million tokens in billionths of a US dollar, written in US dollars. 0: they are free."""


class TierSettings(Section):
    """Prices of a million tokens, for requests with more than `above` input tokens: all their tokens have them.

    `cached_input` and `cache_write` default to `input`, `reasoning` to `output`.
    """

    above: Annotated[int, Field(ge=1, le=1_000_000_000)]
    input: Rate
    output: Rate
    cached_input: Rate | None = None
    cache_write: Rate | None = None
    reasoning: Rate | None = None


class PriceSettings(Section):
    """Prices of a million tokens. `cached_input` and `cache_write` default to `input`, `reasoning` to `output`.

    `tiers` replace all of them for requests with long prompts.
    """

    input: Rate
    output: Rate
    cached_input: Rate | None = None
    cache_write: Rate | None = None
    reasoning: Rate | None = None
    tiers: tuple[TierSettings, ...] = ()

    @model_validator(mode="after")
    def _ascends(self) -> PriceSettings:
        above = [tier.above for tier in self.tiers]
        if any(later <= earlier for earlier, later in pairwise(above)):
            raise ValueError("should have tiers in the order of their `above`, each with a higher one")
        return self


class PricesSettings(Section):
    """The prices. Tables of the settings are `models`; those of the file at `file` are `imported`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[ModelTarget, PriceSettings]

    file: ConfigPath | None = None
    """Another file with tables of prices, such as `dragoman prices import` writes."""
    _imported: dict[str, PriceSettings] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _has_full_names(cls, value: Any) -> Any:
        """Raises for a key that is no name, without quoting it, because it may be a secret in the wrong place."""
        if isinstance(value, Mapping):
            for name in value:
                if name != "file" and not re.fullmatch(MODEL_TARGET, str(name)):
                    raise ValueError('has a key that is neither `file` nor PROVIDER/MODEL, as in [prices."echo/echo"]')
        return value

    @property
    def models(self) -> PriceTables:
        """The prices in the settings, which win over all others."""
        return self.__pydantic_extra__ or {}

    @property
    def imported(self) -> PriceTables:
        """The prices in the file."""
        return self._imported

    @property
    def exist(self) -> bool:
        """Whether anything has a price."""
        return bool(self.models or self.imported)

    def read_imported(self) -> list[Mistake]:
        """Reads the file, if there is one. Returns the mistakes in it."""
        if self.file is None:
            return []
        try:
            self.file.read_bytes()
        except OSError as error:  # the name is left out, because it may be a secret in the wrong place
            return [Mistake("prices.file", f"the file cannot be read: {error.strerror}")]
        try:
            self._imported = read_prices(self.file)
        except SettingsError as wrong:
            return list(wrong.mistakes)
        return []


class _PriceFile(Section):
    prices: dict[ModelTarget, PriceSettings]


def read_prices(path: Path) -> dict[str, PriceSettings]:
    """The prices in a TOML file, which has the same tables as the settings. Raises SettingsError with every mistake."""
    tree = read_file(path)
    try:
        return _PriceFile.model_validate(tree).prices
    except ValidationError as error:
        found = mistakes_of(error, _PriceFile)
        raise SettingsError(Mistake(f"{path}: {one.path}".rstrip(": "), one.message) for one in found) from None
