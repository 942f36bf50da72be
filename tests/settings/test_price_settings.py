"""Prices in the settings and in the file that they name: what is accepted, and what is said about the rest."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from dragoman_service.cli.terminal.toml import toml
from dragoman_service.plugins.plugins import prepare
from dragoman_service.settings.settings import Settings, SettingsError, load

USD = 10**9
AMOUNT = "should be an amount in US dollars with at most 9 decimals, as in '500 USD' or '2.50'"
TABLE = "prices.toml: prices.file: should be a table"
NAME = "should be PROVIDER/MODEL, as in 'echo/echo'"
NEITHER = 'has a key that is neither `file` nor PROVIDER/MODEL, as in [prices."echo/echo"]'
UNKNOWN = "unknown key; did you mean 'output'?"
BROKEN = "is not valid TOML: Expected … at the end of a table declaration (at end of document)"
AMOUNTS = ['"-1"', "-0.5", "nan", "inf", '"2,50"', '"1e3"', '"2.5 EUR"', "1e300", "[]", "1979-05-27"]


def read(folder: Path, text: str, file: str | None = None) -> Settings:
    (folder / "dragoman.toml").write_text(text)
    if file is not None:
        (folder / "prices.toml").write_text(file)
    return load(folder / "dragoman.toml", {})


def mistakes(folder: Path, text: str, file: str | None = None) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        prepare(read(folder, text, file), [])
    return [str(mistake).removeprefix(f"{folder}/") for mistake in raised.value.mistakes]


def priced(body: str) -> str:
    return f'[prices."echo/big-4.1"]\n{body}\n'


def test_prices_are_text_or_numbers_of_us_dollars(tmp_path: Path) -> None:
    price = read(tmp_path, priced('input = "2.50"\noutput = 10\ncached_input = 0.00002\nreasoning = "0.1 USD"')).prices
    one = price.models["echo/big-4.1"]

    assert (one.input, one.output, one.cached_input, one.reasoning) == (2_500_000_000, 10 * USD, 20_000, 100_000_000)


def test_free_is_a_price(tmp_path: Path) -> None:
    prices = read(tmp_path, '[prices."echo/*"]\ninput = 0\noutput = 0').prices

    assert prices.exist
    assert prices.models["echo/*"].output == 0


def test_a_file_has_tables_as_the_settings_have_them(tmp_path: Path) -> None:
    tier = '[[prices."gone/big".tiers]]\nabove = 200_000\ninput = 2\noutput = 4'
    settings = read(tmp_path, '[prices]\nfile = "prices.toml"', f'[prices."gone/big"]\ninput = 1\noutput = 2\n{tier}')
    prepare(settings, [])  # it may know more providers than are configured

    assert dict(settings.prices.models) == {}
    assert settings.prices.imported["gone/big"].tiers[0].above == 200_000


def test_workers_are_given_the_prices_of_the_file_as_it_was_read(tmp_path: Path) -> None:
    settings = read(tmp_path, '[prices]\nfile = "prices.toml"', '[prices."a/b"]\ninput = 1\noutput = 2')
    (tmp_path / "prices.toml").unlink()

    assert pickle.loads(pickle.dumps(settings)).prices.imported == settings.prices.imported  # noqa: S301


def test_amounts_are_shown_as_they_are_written(tmp_path: Path) -> None:
    text = priced('input = "2.5"\noutput = "1000000"\ncached_input = "0.000000001"')
    shown = toml({"prices": read(tmp_path, text).prices})

    assert text in shown
    assert read(tmp_path, shown).prices == read(tmp_path, text).prices


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (priced("input = 1"), ["prices.echo/big-4.1.output: is required"]),
        (
            priced("input = 1\noutput = 1\nouput = 2"),
            [f"prices.echo/big-4.1.ouput: {UNKNOWN}"],
        ),
        (
            priced("input = 1\noutput = 1_000_001"),
            ["prices.echo/big-4.1.output: should be at most 1000000 USD for a million tokens"],
        ),
        (priced("input = true\noutput = 1"), ["prices.echo/big-4.1.input: should be a number, not true or false"]),
        (
            priced("input = 1\noutput = 1\ntiers = [{ above = 0, input = 1 }]"),
            [
                "prices.echo/big-4.1.tiers.0.above: should be at least 1",
                "prices.echo/big-4.1.tiers.0.output: is required",
            ],
        ),
        (
            priced("input = 1\noutput = 1\ntiers = [{above=9, input=1, output=1}, {above=9, input=1, output=1}]"),
            ["prices.echo/big-4.1: should have tiers in the order of their `above`, each with a higher one"],
        ),
        (
            "[prices.echo.big]\ninput = 1\noutput = 1",
            [f"prices: {NEITHER}"],
        ),
        (
            '[prices."Echo/secret"]\ninput = 1\noutput = 1',
            [f"prices: {NEITHER}"],
        ),
        ("prices = 1", ["prices: should be a table"]),
        (
            '[prices."ecko/echo"]\ninput = 1\noutput = 1',
            ["prices.ecko/echo: there is no such provider; configured: echo, local"],
        ),
        ("[prices]\nfile = 'gone.toml'", ["prices.file: the file cannot be read: No such file or directory"]),
    ],
)
def test_a_mistake_has_the_path_of_its_key(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert mistakes(tmp_path, text) == expected


@pytest.mark.parametrize("amount", AMOUNTS)
def test_what_is_no_amount_of_us_dollars_is_a_mistake(tmp_path: Path, amount: str) -> None:
    assert mistakes(tmp_path, priced(f"input = {amount}\noutput = 1")) == [f"prices.echo/big-4.1.input: {AMOUNT}"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (
            '[prices."a/b"]\ninput = "x"\n[server]\n',
            [
                f"prices.toml: prices.a/b.input: {AMOUNT}",
                "prices.toml: prices.a/b.output: is required",
                "prices.toml: server: unknown key; known: prices",
            ],
        ),
        ("", ["prices.toml: prices: is required"]),
        (
            "[prices]\nfile = 'more.toml'",
            [f"prices.toml: prices.file: a name in it {NAME}", TABLE],
        ),
        (
            "[prices",
            [f"prices.toml: {BROKEN}"],
        ),
    ],
)
def test_a_mistake_in_the_file_has_its_name_too(tmp_path: Path, file: str, expected: list[str]) -> None:
    assert mistakes(tmp_path, "[prices]\nfile = 'prices.toml'", file) == expected
