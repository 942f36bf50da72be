"""What docs/openai.md says holds: its command runs, and its table has every parameter that is taken."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

from dragoman_service.dialects.http_status import _STATUS
from dragoman_service.dialects.openai.server.request import _CHAT, _LEGACY
from dragoman_service.frontends import openai
from dragoman_service.frontends.openai import event_stream
from google.rpc import code_pb2
from raw_http import asked

PAGE = (Path(__file__).parents[2] / "docs" / "openai.md").read_text()


async def test_the_shown_command_is_answered(start_service):
    service = await start_service()
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    command = block.replace("127.0.0.1:8080", service.http_address)
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, env=os.environ | {"DRAGOMAN_API_KEY": "any"}
    )
    said, _ = await process.communicate()

    assert json.loads(said)["choices"][0]["message"]["content"] == "Hello there!"


async def test_the_shown_paths_are_those_that_are_served(start_service):
    service = await start_service()
    shown = re.findall(r"^\| `(POST|GET) (\S+)` \|", PAGE, re.MULTILINE)
    body = {"model": "echo", "prompt": "x", "messages": []}
    found = []
    for verb, path in shown:
        async with asked(service.http_address, verb, path.replace("{id}", "echo"), body) as answer:
            found.append(answer.status)

    assert len(shown) == 5
    assert set(found) <= {200, 400}, "none is unknown"


def test_every_parameter_that_is_taken_is_listed():
    rows = PAGE.partition("## What is taken")[2].partition("## What is answered")[0]
    names = {name for cell in re.findall(r"^\| (`.+?) \|", rows, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)}

    assert names == {*_CHAT, *_LEGACY}


def test_the_shown_statuses_are_those_of_the_codes():
    listed = PAGE.partition("## Errors")[2]
    for code, status in _STATUS.items():
        row = next(line for line in listed.splitlines() if re.match(rf"\| .*\b{status}\b.* \|", line))

        assert code_pb2.Code.Name(code) in row or status in (400,), (code, status)


def test_the_shown_numbers_are_those_of_the_code():
    assert f"After {event_stream.QUIET:g} s without one" in PAGE
    assert openai.CHAT.usage_chunk
    assert not openai.ROOT_CHAT.usage_chunk
