"""`dragoman` accepts every command line that the documentation shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from dragoman_service.cli import command_line
from typer.main import get_command

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(?:\S+/)?dragoman (.+)$", re.MULTILINE)
LINES = [
    (page.name, line) for page in PAGES for block in BLOCK.findall(page.read_text()) for line in COMMAND.findall(block)
]


def words_of(line: str) -> list[str]:
    """The arguments, up to a pipe, redirection or background sign of the shell."""
    words = shlex.split(line, comments=True)
    return words[: next((i for i, word in enumerate(words) if word in "|<>&"), len(words))]


@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_documented_command_line_is_accepted(page: str, line: str) -> None:
    command, words = get_command(command_line()), words_of(line)
    while commands := getattr(command, "commands", None):
        if getattr(command, "invoke_without_command", False) and not commands.keys() & words[:1]:
            break
        command = commands[words.pop(0)]

    assert command.make_context("dragoman", words)
