"""The service accepts the settings that docs/settings.md shows, and has the defaults that it states."""

from __future__ import annotations

import re
from pathlib import Path

from dragoman_service.plugins.plugins import prepare
from dragoman_service.settings.settings import Settings, load

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def documented(tmp_path: Path) -> Settings:
    block = re.search(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "dragoman.toml").write_text(block[1])
    for name in ("server.pem", "server.key"):
        (tmp_path / name).write_text("")
    (tmp_path / "prices.toml").write_text("[prices]")
    return load(tmp_path / "dragoman.toml", {"VENDOR_KEY": "secret"})


def test_the_documented_file_is_valid(tmp_path):
    settings = documented(tmp_path)
    prepared = prepare(settings, [])

    assert [one.name for one in prepared.providers] == ["local", "vendor"]
    assert [one.name for one in prepared.filters] == ["metering", "house"]
    assert prepared.opened.unreachable == {}


def test_what_the_documented_file_calls_defaults_are_the_defaults(tmp_path):
    shown, default = documented(tmp_path), load()

    for name in ("drain_delay", "grace", "default_deadline", "longest_deadline", "stall_timeout", "max_request_size"):
        assert getattr(shown.server, name) == getattr(default.server, name)
    assert shown.operations.handback == shown.server.grace
    assert shown.operations.model_copy(update={"handback": None}) == default.operations
    assert shown.log == default.log
    assert shown.plugins.open_timeout == default.plugins.open_timeout


def test_every_key_is_documented():
    text = PAGE.read_text()
    for section in Settings.model_fields.values():
        fields = getattr(section.annotation, "model_fields", {})
        for name in fields:
            assert re.search(rf"^\[*(\w+\.)*{name}\b", text, re.MULTILINE), name
