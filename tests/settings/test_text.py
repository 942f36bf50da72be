"""Text as programs of Windows write it: byte order marks, UTF-16 and CR LF."""

from __future__ import annotations

from pathlib import Path

import pytest
from dragoman_service.settings.reading.text import decode_text
from dragoman_service.settings.settings import SettingsError, load

TEXT = '[server]\r\ngrace = "3s"\r\n[access]\r\n[providers.a]\r\ntext = """é\r\nb"""\r\n'


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        b"\xff\xfe" + TEXT.encode("utf-16-le"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
    ],
)
def test_a_settings_file_may_have_a_mark_and_crlf(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dragoman.toml").write_bytes(content)
    settings = load(tmp_path / "dragoman.toml")

    assert settings.server.grace == 3
    assert settings.providers["a"]["text"] == "é\nb"


@pytest.mark.parametrize(
    "content", ["key\r\n".encode("utf-8-sig"), b"key\r\n\r\n", b"\xff\xfe" + "key\r\n".encode("utf-16-le")]
)
def test_a_secret_in_a_file_is_its_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    (tmp_path / "dragoman.toml").write_text('[providers.a]\napi_key = { file = "secret" }\n')

    assert load(tmp_path / "dragoman.toml").providers["a"]["api_key"] == "key"


def test_variables_may_end_in_cr(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text('[providers.a]\napi_key = { env = "KEY" }\n')
    environ = {
        "KEY": "\ufeffkey\r",
        "DRAGOMAN_SERVER__GRPC": "127.0.0.1:7\r",
        "DRAGOMAN_SERVER__CORS_ORIGINS": '["https://a.example"]\r\n',
    }
    settings = load(tmp_path / "dragoman.toml", environ)

    assert settings.providers["a"]["api_key"] == "key"
    assert settings.server.grpc.port == 7
    assert settings.server.cors_origins == ("https://a.example",)


def test_a_variable_of_white_space_is_not_set(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text('[providers.a]\napi_key = { env = "KEY" }\n')
    with pytest.raises(SettingsError, match="not set, or empty"):
        load(tmp_path / "dragoman.toml", {"KEY": "\r\n"})


def test_other_text_stays_as_it_is() -> None:
    assert decode_text("a\rb\ufeff\n".encode()) == "a\rb\ufeff\n"
    with pytest.raises(UnicodeDecodeError):
        decode_text(b"\xff\xfe\x00")
