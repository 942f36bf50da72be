"""`dragoman config check` and `dragoman plugins`: the effective settings, without their secrets."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from conftest import ECHO
from dragoman_command import invoke
from dragoman_service.cli.terminal.toml import HIDDEN, toml

SECRET = "sk-3d1f0c6e"


def test_the_defaults_are_shown_and_can_be_read_back(tmp_path: Path) -> None:
    first = invoke("config", "check")
    defaults = tomllib.loads(first.stdout)
    config = tmp_path / "dragoman.toml"
    config.write_text(first.stdout.partition("[providers.echo]")[0])
    second = invoke("config", "check", "--config", str(config))

    assert first.returncode == 0
    assert first.stderr.endswith("ok\n")
    assert set(defaults["providers"]) == {"local", "echo"}
    assert tomllib.loads(second.stdout) | {"providers": {}} == defaults | {"providers": {}}


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    (tmp_path / "secret").write_text(SECRET)
    openai = 'plugin = "openai"\nbase_url = "http://127.0.0.1:1/v1"\nmodels = ["m"]\n'
    config.write_text(
        f'[providers.a]\n{openai}api_key = {{ env = "SOME_KEY" }}\n'
        f'[providers.b]\n{openai}api_key = {{ file = "secret" }}\n'
        f'[providers.c]\n{openai}api_key = "{SECRET}"\n'
        '[providers.d]\nplugin = "echo"\ntext = { env = "SOME_KEY" }\n'
    )  # the type of the last one is plain text
    ended = invoke("config", "check", "--config", str(config), SOME_KEY=SECRET)

    assert ended.returncode == 0, ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
    assert ended.stdout.count("**********") == 4
    assert "warning: " in ended.stderr


@pytest.mark.parametrize("section", ["providers", "filters"])
def test_values_with_the_name_of_a_secret_are_hidden_in_a_table_without_types(section: str) -> None:
    table = {"api_key": SECRET, "headers": {"Authorization": SECRET}, "url": f"http://me:{SECRET}@host", "threads": 2}
    shown = toml({section: {"raw": table}})

    assert SECRET not in shown
    assert shown.count(HIDDEN) == 3
    assert "threads = 2" in shown


def test_a_missing_secret_is_reported(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text(f'{ECHO}text = {{ env = "NOT_THERE" }}\n')
    ended = invoke("config", "check", "--config", str(config))

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "providers.echo.text: " in ended.stderr
    assert "environment variable" in ended.stderr


def test_invalid_toml_is_reported_with_its_line(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text("[server\n")
    ended = invoke("config", "check", "--config", str(config))

    assert ended.returncode == 2
    assert "line 1" in ended.stderr


def test_plugins_are_a_table_or_json(echo_file: Path) -> None:
    table = invoke("plugins")
    plugins = {plugin["name"]: plugin for plugin in json.loads(invoke("plugins", "--json").stdout)}

    assert table.stdout.splitlines()[0].split() == ["NAME", "KIND", "DISTRIBUTION", "VERSION", "STATE", "REASON"]
    assert plugins["echo"]["kind"] == "provider"
    assert plugins["echo"]["distribution"] == "dragoman-service"
    assert plugins["echo"]["state"] == "LOADED"
    assert plugins["native"]["kind"] == "frontend"


def test_a_plugin_that_is_not_allowed_is_listed_with_the_reason(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text(f'{ECHO}[plugins]\nallow = ["echo", "native"]\n')
    plugins = {plugin["name"]: plugin for plugin in json.loads(invoke("plugins", "-c", str(config), "--json").stdout)}

    assert plugins["local"]["state"] == "DISABLED"
    assert "plugins.allow" in plugins["local"]["reason"]


def test_names_of_models_are_shown_and_their_targets_checked(tmp_path: Path) -> None:
    config = tmp_path / "dragoman.toml"
    config.write_text(f'{ECHO}[models."gpt-*"]\ntargets = ["echo/echo"]\n')
    good = invoke("config", "check", "--config", str(config))
    config.write_text(f'{ECHO}[models."gpt-*"]\ntargets = ["eko/echo"]\n')
    bad = invoke("config", "check", "--config", str(config))

    shown = tomllib.loads(good.stdout)["models"]["gpt-*"]
    assert shown["targets"] == [{"model": "echo/echo", "weight": 1, "priority": 0}]
    assert bad.returncode == 2
    assert "models.gpt-*.targets.0: there is no such provider; configured: echo" in bad.stderr
