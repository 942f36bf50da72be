"""What docs/xai.md says holds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from dragoman.dialect.xai.v1 import auth_pb2, chat_pb2, completion_pb2, models_pb2, tokenize_pb2
from dragoman_service.providers.xai.settings import XaiSettings
from dragoman_service.settings.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "xai.md").read_text()
MAPPED, PROVIDER = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
KEYS = dict(re.findall(r"^\| `(\w+)` \| (?:`(.+?)`)? *\|", PAGE.partition("## xAI as a provider")[2], re.M))


def test_the_shown_settings_are_valid(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(MAPPED + PROVIDER)
    shown = load(tmp_path / "dragoman.toml", {"XAI_API_KEY": "secret"}).providers["xai"]
    settings = XaiSettings.model_validate({key: value for key, value in shown.items() if key != "plugin"})

    assert settings.metadata == (("authorization", "Bearer secret"),)
    assert str(settings.endpoint) == "api.x.ai:443"


def test_every_key_is_listed_with_its_default() -> None:
    told = tomllib.loads("\n".join(f"{name} = {default}" for name, default in KEYS.items() if default))

    assert set(KEYS) == set(XaiSettings.model_fields)
    assert XaiSettings.model_validate(told) == XaiSettings.model_validate({})


def test_every_method_is_listed() -> None:
    files = (auth_pb2, chat_pb2, models_pb2, tokenize_pb2)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    table = PAGE.partition("## Methods")[2].partition("## Finish")[0]

    for service in services:
        for method in service.methods:
            assert re.search(rf"`(?:{service.name})?/{method.name}`", table), method.name


def test_every_finish_reason_is_listed() -> None:
    told = re.findall(r"^\| `(REASON_\w+)` \|", PAGE, re.M)

    assert told
    assert {"REASON_INVALID", *told} == set(completion_pb2.FinishReason.DESCRIPTOR.values_by_name)
