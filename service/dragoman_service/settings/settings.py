"""The settings: options override the environment, which overrides the file, which overrides the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from dragoman_service.settings.access import AccessSettings
from dragoman_service.settings.admission import AdmissionSettings, TargetLimits, limits_in
from dragoman_service.settings.errors import Mistake, SettingsError, mistakes_of
from dragoman_service.settings.limits import LimitsSettings, UsageSettings
from dragoman_service.settings.observability import ConsoleSettings, LogSettings, TelemetrySettings
from dragoman_service.settings.operations import OperationsSettings
from dragoman_service.settings.prices import PricesSettings
from dragoman_service.settings.reading.sources import merge, read_environment, read_file, resolve_secrets
from dragoman_service.settings.routing import ModelSettings, RoutingSettings
from dragoman_service.settings.server import HOMELESS, ServerSettings
from dragoman_service.settings.strings import ModelName, Name
from dragoman_service.settings.types import Address, Duration, Section

__all__ = ["Mistake", "Settings", "SettingsError", "load"]


class FrontendSettings(Section):
    """One frontend: what becomes of request fields that the model does not support (default: the frontend's own)."""

    unsupported: Literal["reject", "warn"] | None = None


class PluginSettings(Section):
    """Plugins that may load, by entry-point name (default: all that providers name), and how long opening may take."""

    allow: tuple[str, ...] | None = None
    open_timeout: Annotated[Duration, Field(gt=0)] = 60.0


class Settings(Section):
    """All settings. The tables in `providers` and `filters` stay unread here, because each is read by its plugin."""

    server: ServerSettings = Field(default_factory=ServerSettings)
    access: AccessSettings = AccessSettings()
    admission: AdmissionSettings = AdmissionSettings()
    operations: OperationsSettings = OperationsSettings()
    plugins: PluginSettings = PluginSettings()
    log: LogSettings = LogSettings()
    providers: dict[Name, dict[str, Any]] = Field(
        default_factory=lambda: {"local": {"plugin": "local"}, "echo": {"plugin": "echo"}}, repr=False
    )
    filters: dict[Name, dict[str, Any]] = Field(default_factory=dict, repr=False)
    models: dict[ModelName, ModelSettings] = Field(default_factory=dict)
    routing: RoutingSettings = RoutingSettings()
    limits: LimitsSettings = LimitsSettings()
    prices: PricesSettings = Field(default_factory=PricesSettings)
    usage: UsageSettings = UsageSettings()
    console: ConsoleSettings = ConsoleSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    frontends: dict[Name, FrontendSettings] = Field(default_factory=dict)
    _base: Path = PrivateAttr(default_factory=Path.cwd)

    @property
    def base(self) -> Path:
        """The folder that relative paths start at: that of the settings file, or the working directory."""
        return self._base

    @property
    def allows_anonymous(self) -> bool:
        """Whether calls without a key are accepted: if so set, or if there are no keys (on loopback only)."""
        return self.access.anonymous or not self.access.keys

    @model_validator(mode="after")
    def _is_guarded(self) -> Settings:
        if not self.allows_anonymous or self.access.anonymous:
            return self
        for name in ("grpc", "http", "metrics"):
            address: Address | None = getattr(self.server, name)
            if address is not None and not address.loopback:
                raise ValueError(
                    f"server.{name}: other machines can reach this address. Add keys under [[access.keys]] "
                    "(`dragoman keys create ID`), or allow everybody with access.anonymous = true (`--anonymous`)"
                )
        return self

    @property
    def console_path(self) -> str:
        """Where the console is served; empty: nowhere."""
        if not self.server.serves:
            return ""
        enabled = self.console.enabled
        return self.console.path if (self.server.http.loopback if enabled is None else enabled) else ""

    @property
    def has_several_callers(self) -> bool:
        """Whether calls of several callers can come: those without a key count as one."""
        return len(self.access.keys) + self.allows_anonymous > 1

    @property
    def targets(self) -> dict[str, tuple[str, ...]]:
        """The targets of each name in `models`."""
        return {name: model.names for name, model in self.models.items()}

    @property
    def model_filters(self) -> dict[str, tuple[str, ...]]:
        """The filters of each name in `models` that has some."""
        return {name: model.filters for name, model in self.models.items() if model.filters}

    @property
    def provider_filters(self) -> dict[str, tuple[str, ...]]:
        """The filters of each provider that has some."""
        return {name: tuple(table["filters"]) for name, table in self.providers.items() if table.get("filters")}

    @property
    def provider_limits(self) -> dict[str, TargetLimits]:
        """The limits of each provider that has one."""
        return limits_in(self.providers)

    @model_validator(mode="after")
    def _is_consistent(self) -> Settings:
        limits_in(self.providers)
        ids = [key.id for key in self.access.keys]
        for number, caller in enumerate(ids):
            if caller in ids[:number]:
                raise ValueError(f"access.keys.{number}.id: is the id of access.keys.{ids.index(caller)} too")
        teams = {key.team for key in self.access.keys}
        for name in self.limits.keys.keys() - {"*", "anonymous", *ids}:
            raise ValueError(f"limits.keys.{name}: is not the id of a key in [[access.keys]]")
        for name in self.limits.teams.keys() - {"*", *teams}:
            raise ValueError(f"limits.teams.{name}: is not the team of any key in [[access.keys]]")
        for name, table in self.providers.items():
            named = table.get("filters", [])
            if not (isinstance(named, list) and all(isinstance(one, str) for one in named)):
                raise ValueError(f'providers.{name}.filters: should be a list of names of filters, as in ["safety"]')
        if self.server.default_deadline > self.server.longest_deadline:
            raise ValueError("server.default_deadline: should not exceed server.longest_deadline")
        if len(set(self.server.roles)) == 1 and self.operations.url.startswith("memory:"):
            raise ValueError(
                f"server.roles: no other process can share {self.operations.url!r}, so operations would never run: "
                "set operations.url to a database, or leave both roles to this server"
            )
        if (self.operations.handback or 0) > self.server.grace:
            raise ValueError("operations.handback: should not exceed server.grace, because the process ends then")
        if self.operations.url.startswith("sqlite:") and self.server.data_dir.parts[:1] == HOMELESS.parts:
            raise ValueError("server.data_dir: is required, because this user has no home directory: set it, or HOME")
        return self


def load(
    path: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Reads the settings from `path` (TOML), `environ` (`DRAGOMAN_SERVER__GRPC=…`) and `overrides`.

    `overrides` maps paths to values, as in `{"server.grpc": "127.0.0.1:6000"}`, and wins over all others. Raises
    SettingsError with every mistake.
    """
    environ = environ or {}
    mistakes: list[Mistake] = []
    tree, origins = _read(path, environ, overrides or {})
    base = _folder_of(path)
    for section in ("providers", "filters"):
        if isinstance(tree.get(section), dict):
            tree[section] = resolve_secrets(tree[section], environ, base, (section,), mistakes)
    _resolve_store_urls(tree, environ, base, mistakes)
    try:
        settings = Settings.model_validate(tree, context={"base": base})
    except ValidationError as error:
        mistakes += mistakes_of(error, Settings, origins)
    else:
        settings._base = base  # noqa: SLF001 - pydantic fills private attributes only after validation
        mistakes += _missing_files(settings) + settings.prices.read_imported()
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _read(
    path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The tree of all sources, and a map from each path to its environment variable."""
    tree = read_file(path) if path else {}
    try:
        table, origins = read_environment(environ)
        tree = merge(tree, table)
    except RecursionError:
        raise SettingsError([Mistake("", "an environment variable is nested too deeply")]) from None
    for dotted, value in overrides.items():
        tree = merge(tree, _nest(dotted.split("."), value))
    return tree, origins


def _folder_of(path: Path | None) -> Path:
    """Where relative paths start."""
    try:
        return path.resolve().parent if path else Path.cwd()
    except OSError as error:
        raise SettingsError([Mistake("", f"the working directory cannot be used: {error.strerror}")]) from None


def _resolve_store_urls(tree: dict[str, Any], environ: Mapping[str, str], base: Path, mistakes: list[Mistake]) -> None:
    """Reads the URLs of the store from where they are kept, as for secrets, because they may contain a password."""
    operations = tree.get("operations")
    if not isinstance(operations, dict):
        return
    for name in ("url", "direct_url"):
        if not isinstance(operations.get(name), dict):
            continue
        known = len(mistakes)
        url = resolve_secrets(operations[name], environ, base, ("operations", name), mistakes)
        operations = {key: value for key, value in operations.items() if key != name}
        tree["operations"] = operations = operations if len(mistakes) > known else operations | {name: url}


def _nest(path: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _missing_files(settings: Settings) -> list[Mistake]:
    tls = settings.server.tls
    paths = {"server.tls.certificate": tls.certificate, "server.tls.key": tls.key} if tls else {}
    return [
        Mistake(name, "should be the path of a file that exists") for name, path in paths.items() if not _is_file(path)
    ]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a key in place of its path is too long for a name
        return False
