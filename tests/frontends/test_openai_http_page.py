"""What docs/openai.md says is true: its command runs, and its table lists every accepted parameter."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

from dragoman_service.dialects.http_errors import STATUS_OF_CODE
from dragoman_service.dialects.openai.server.request import CHAT_PARAMETERS, TEXT_PARAMETERS
from dragoman_service.frontends.http.event_stream import KEEP_ALIVE
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
    reply, _ = await process.communicate()

    assert json.loads(reply)["choices"][0]["message"]["content"] == "Hello there!"


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


def test_every_accepted_parameter_is_listed():
    rows = PAGE.partition("## Parameters")[2].partition("## Answers")[0]
    names = {name for cell in re.findall(r"^\| (`.+?) \|", rows, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)}

    assert names == {*CHAT_PARAMETERS, *TEXT_PARAMETERS}


def test_the_shown_statuses_are_those_of_the_codes():
    listed = PAGE.partition("## Errors")[2]
    for code, status in STATUS_OF_CODE.items():
        row = next(line for line in listed.splitlines() if re.match(rf"\| .*\b{status}\b.* \|", line))

        assert code_pb2.Code.Name(code) in row or status in (400,), (code, status)


def test_the_shown_numbers_are_those_of_the_code():
    assert f"After {KEEP_ALIVE:g} s without one" in PAGE
