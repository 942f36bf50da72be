"""Prompts, files and variables as programs of Windows write them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from dragoman_command import Service, start

PROMPT = "Grüße\r\nan alle\r\n"


@pytest.mark.parametrize(
    "content", [PROMPT.encode(), PROMPT.encode("utf-8-sig"), b"\xff\xfe" + PROMPT.encode("utf-16-le")]
)
def test_a_prompt_on_stdin_may_have_a_mark_and_crlf(service: Service, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "prompt").write_bytes(content)
    environ = {"DRAGOMAN_TARGET": f"{service.target}\r", "DRAGOMAN_API_KEY": "\ufeffkey\r"}
    with (tmp_path / "prompt").open("rb") as stdin:
        process = start("complete", "-m", "echo", environ=environ, stdin=stdin)
        stdout, stderr = process.communicate(timeout=30)

    assert (process.returncode, stdout) == (0, "Grüße\nan alle\n"), stderr


def test_stdin_that_is_no_text_is_a_mistake(service: Service, tmp_path: Path) -> None:
    (tmp_path / "prompt").write_bytes(b"\xff\xfe\x00")
    with (tmp_path / "prompt").open("rb") as stdin:
        process = start("complete", "-m", "echo", stdin=stdin, stderr=subprocess.STDOUT)
        stdout, _ = process.communicate(timeout=30)

    assert process.returncode == 2
    assert "stdin is not valid UTF-8" in stdout


def test_a_schema_in_a_file_may_have_a_mark(service: Service, tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_bytes(b'[\r\n{"name": "weather"}]'.replace(b"[", b"\xef\xbb\xbf[", 1))
    ended = service.ask("complete", "x", "-m", "echo", "--tools", str(tmp_path / "tools.json"))

    assert ended.returncode == 0, ended.stderr
