"""The commands: `import` writes a table of prices, `show` tells what models cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dragoman_service.cli.options.settings import Config, load_settings
from dragoman_service.cli.terminal.exits import ExitCode

if TYPE_CHECKING:
    from dragoman_service.cli.prices.source import Source
    from dragoman_service.settings.settings import Settings

COLUMNS = ("model", "above", "input", "cached", "written", "output", "reasoning", "from")

app = typer.Typer(no_args_is_help=True)


@app.callback()
def prices() -> None:
    """Tell what models cost, or write a table of prices."""


@app.command("import")
def import_prices(
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="genai-prices|FILE", help="The installed package, or a JSON file in LiteLLM's format."
        ),
    ],
    provider: Annotated[
        list[str] | None,
        typer.Option(
            "--provider", metavar="NAME=ID", help="The vendor of a configured provider in that list. Repeatable."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="PROVIDER/MODEL", help="A model that the settings do not name. Repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: standard output.")
    ] = None,
    config: Config = None,
) -> None:
    """Write prices of the models of the configured providers as TOML, from a list that others keep.

    Nothing is fetched. Name the file in the settings: `[prices]`, `file = "FILE"`. Models without a price are listed on
    stderr.
    """
    from dragoman_service.cli.prices.source import SourceError
    from dragoman_service.cli.prices.table import collect
    from dragoman_service.cli.terminal.output import error, note

    settings = load_settings(config, {"prices.file": None})  # which may be the file that is to be written
    try:
        opened = _open(source)
        vendors = _vendors(provider or (), settings, opened)
        table = collect(settings, opened, vendors, _checked(model or (), settings))
    except SourceError as wrong:
        error(str(wrong))
        raise typer.Exit(ExitCode.FAILED) from None
    for remark in table.remarks:
        note(remark)
    if not table.prices:
        error(f"{opened.title} has no price for any model of the configured providers")
        raise typer.Exit(ExitCode.FAILED)
    _write(f"# Prices of {opened.title}, written by `dragoman prices import`.\n\n{table.toml()}", output)
    note(f"{len(table.prices)} prices" + (f" in {output}" if output else ""))


@app.command()
def show(
    model: Annotated[str | None, typer.Argument(metavar="[PROVIDER/MODEL]", help="Default: all with a price.")] = None,
    config: Config = None,
) -> None:
    """Show what models cost by the settings, in US dollars for a million tokens. Contacts no service."""
    from dragoman_service.cli.prices.table import named_models, rows
    from dragoman_service.cli.terminal.output import error, note, write_table

    settings = load_settings(config)
    names = [model] if model else [*settings.prices.models, *settings.prices.imported, *named_models(settings)]
    found = {name: list(rows(settings.prices, name)) for name in dict.fromkeys(names)}
    if model and not found[model]:
        error(f"there is no price for {model}")
        raise typer.Exit(ExitCode.FAILED)
    write_table(COLUMNS, [row for priced in found.values() for row in priced])
    for name, priced in found.items():
        if not priced:
            note(f"no price for {name}")


def _open(source: str) -> Source:
    from dragoman_service.cli.prices.genai import NAME, GenaiPrices
    from dragoman_service.cli.prices.litellm import LiteLLMFile

    return GenaiPrices() if source == NAME else LiteLLMFile(Path(source))


def _vendors(given: list[str] | tuple[str, ...], settings: Settings, source: Source) -> dict[str, str]:
    """The vendors that were given with `--provider`."""
    found = {}
    for pair in given:
        name, equals, vendor = pair.partition("=")
        if not (name and equals and vendor):
            raise typer.BadParameter(f"{pair!r} should be NAME=ID", param_hint="--provider")
        _check_provider(name, settings, "--provider")
        if vendor not in source.providers:
            known = ", ".join(source.providers)
            raise typer.BadParameter(f"{source.title} has no {vendor!r}; it has {known}", param_hint="--provider")
        found[name] = vendor
    return found


def _checked(given: list[str] | tuple[str, ...], settings: Settings) -> list[str]:
    """The models that were given with `--model`."""
    for name in given:
        if not re.fullmatch(r"[^/*]+/[^*]+", name):
            raise typer.BadParameter(f"{name!r} should be PROVIDER/MODEL", param_hint="--model")
        _check_provider(name.partition("/")[0], settings, "--model")
    return list(given)


def _check_provider(name: str, settings: Settings, option: str) -> None:
    if name not in settings.providers:
        known = ", ".join(settings.providers) or "none"
        raise typer.BadParameter(f"there is no provider {name!r}; configured: {known}", param_hint=option)


def _write(text: str, path: Path | None) -> None:
    """Writes all of it or nothing, because a service may read the file now."""
    from dragoman_service.cli.terminal.output import error, write

    if path is None:
        write(text)
        return
    whole = path.with_name(f".{path.name}.new")
    try:
        whole.write_text(text, encoding="utf-8")
        whole.replace(path)
    except OSError as fault:
        error(f"{path}: cannot be written: {fault.strerror}")
        raise typer.Exit(ExitCode.FAILED) from None
