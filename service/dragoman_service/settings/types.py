"""Types of settings: durations, sizes, addresses, paths and secrets. Plugins may use them too."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    Tag,
    ValidationInfo,
    field_validator,
)

__all__ = ["Address", "Certificates", "ConfigPath", "Duration", "Listen", "Reached", "Secret", "Section", "Size", "Usd"]

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"b": 1, "kib": 1024, "mib": 1024**2, "gib": 1024**3, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
MAX_DURATION = 3650 * 86400.0  # seconds; dates and timers take no number of any size
MAX_SIZE = 1024**5
NANO = 1_000_000_000  # in a US dollar
_USD = re.compile(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(?:USD)?\s*", re.IGNORECASE)
_HOST = re.compile(r"[\w.%:-]*")
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*")


class Section(BaseModel):
    """An immutable table of the settings. Unknown keys are mistakes, and so are `true` and `false` for numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_bool_for_a_number(cls, value: object, info: ValidationInfo) -> object:
        """Raises for `true`, which pydantic takes for 1."""
        field = cls.model_fields.get(info.field_name or "")
        if field and _has_bool(value) and _mentions(field.annotation, {int, float}):
            raise ValueError("should be a number, not true or false")
        return value


TABLE, VALUE = Tag("[table]"), Tag("[value]")
"""Mark the two types of a setting that is either a table or a single value, beside `TABLE_OR_VALUE`. Mistakes are those
of the one that was written. In a plain union each would be reported for both, with names of types in its path."""
TABLE_OR_VALUE = Discriminator(lambda value: (TABLE if isinstance(value, Mapping | BaseModel) else VALUE).tag)


def _has_bool(value: object) -> bool:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, bool) or any(isinstance(item, bool) for item in inside)


def _mentions(annotation: Any, types: set[type]) -> bool:
    """Whether an annotation such as `dict[str, Annotated[int, ...]] | None` names one of the types."""
    arguments = get_args(annotation)
    return annotation in types if not arguments else any(_mentions(argument, types) for argument in arguments)


def _quantity(value: object, units: dict[str, Any], example: str) -> object:
    if not isinstance(value, str):
        return value
    match = _QUANTITY.fullmatch(value)
    if match is None or match[2].lower() not in {"", *units}:
        raise ValueError(f"should be a number with a unit ({', '.join(units)}), as in {example!r}")
    return float(match[1]) * units.get(match[2].lower(), 1)


def _duration(value: object) -> object:
    return _quantity(value, _SECONDS, "20s")


def _size(value: object) -> object:
    size = _quantity(value, _BYTES, "8MiB")
    if isinstance(size, float) and not isfinite(size):
        raise ValueError("should be a finite number")
    return int(size) if isinstance(size, float) else size


class NanoUsd(int):
    """Billionths of a US dollar, which are written in US dollars."""

    __slots__ = ()

    @property
    def usd(self) -> str:
        """The amount in US dollars, as in `2.5`."""
        return format(Decimal(self).scaleb(-9).normalize(), "f")


def _nano_usd(value: object) -> object:
    text = value if isinstance(value, str) else ""
    if isinstance(value, int | float):
        text = format(Decimal(str(value)), "f")  # not 1e-05
    match = _USD.fullmatch(text)
    if match is None:
        raise ValueError("should be an amount in US dollars with at most 9 decimals, as in '500 USD' or '2.50'")
    return int(Decimal(match[1]) * NANO)


def _resolve(value: object, info: ValidationInfo) -> object:
    base = (info.context or {}).get("base")
    if not isinstance(value, str | Path) or base is None:
        return value
    if "\0" in str(value):
        raise ValueError("should be a path, without NUL characters")
    try:
        return Path(base) / Path(value).expanduser()
    except RuntimeError:
        raise ValueError("starts with '~', but the home directory is unknown: set HOME, or write a full path") from None


def _certificates(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        raise ValueError("the file contains no PEM certificates") from None
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None
    return path


def _secret(value: object, info: ValidationInfo) -> object:
    warnings = (info.context or {}).get("warnings")
    if isinstance(value, str) and not isinstance(value, ResolvedSecret) and warnings is not None:
        warnings.append(
            f'{info.field_name} is plain text in the settings: use {{ env = "NAME" }} or {{ file = "PATH" }} instead'
        )
    return value


class ResolvedSecret(str):
    """A secret from the environment or a file, which a type for plain text accepts as well."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'**********'"


Duration = Annotated[float, BeforeValidator(_duration), Field(ge=0, le=MAX_DURATION, allow_inf_nan=False)]
"""Seconds, written as `"250ms"`, `"20s"`, `"5m"`, `"24h"`, `"7d"` or a plain number of seconds: at most ten years."""

Size = Annotated[int, BeforeValidator(_size), Field(ge=1, le=MAX_SIZE)]
"""Bytes, written as `"64KiB"`, `"8MiB"` or a plain number of bytes: at most 1 PiB."""

Usd = Annotated[int, BeforeValidator(_nano_usd), AfterValidator(NanoUsd)]
"""An amount of money in billionths of a US dollar, written as `"500 USD"`, `"2.50"` or a plain number of US dollars."""

ConfigPath = Annotated[Path, BeforeValidator(_resolve)]
"""A path. Relative paths start at the folder of the settings file."""

Certificates = Annotated[ConfigPath, AfterValidator(_certificates)]
"""The path of a PEM file with trusted certificates."""

Secret = Annotated[SecretStr, BeforeValidator(_secret)]
"""Written as `{ env = "NAME" }` or `{ file = "PATH" }`; plain text is accepted with a warning. Never printed."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a listener."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def unspecified(self) -> bool:
        """Whether it stands for all interfaces, so that no client can connect to it."""
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False

    @property
    def all_families(self) -> bool:
        """Whether it stands for all interfaces over both IPv4 and IPv6."""
        return self.unspecified and ":" in self.host

    @classmethod
    def parse(cls, value: object) -> object:
        """The address in `HOST:PORT`, `[IPV6]:PORT` or `:PORT` (all interfaces). With port 0 the system chooses one."""
        if isinstance(value, cls):
            return value
        host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        is_port = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535
        if not colon or not is_port or not _HOST.fullmatch(host.removeprefix("[").removesuffix("]")):
            raise ValueError("should be HOST:PORT with a port from 0 to 65535, as in '127.0.0.1:50051'")
        return cls(host.removeprefix("[").removesuffix("]") or "0.0.0.0", int(port))  # noqa: S104


def _reachable(address: Address) -> Address:
    if address.unspecified or not address.port:
        raise ValueError("should be an address that clients can connect to, as in 'completions.example.com:443'")
    return address


Listen = Annotated[Address, BeforeValidator(Address.parse)]

Reached = Annotated[Address, BeforeValidator(Address.parse), AfterValidator(_reachable)]
"""The address of a listener as clients reach it, for example through a proxy: `HOST:PORT`."""
