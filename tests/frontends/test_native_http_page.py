"""What docs/http.md says is true: its commands run, and its table lists every method."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

from dragoman_service.dialects.http_errors import STATUS_OF_CODE
from dragoman_service.frontends.http.event_stream import KEEP_ALIVE
from google.rpc import code_pb2
from native_asking import OPERATIONS, post

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text()


async def output_of(command: str) -> str:
    process = await asyncio.create_subprocess_shell(
        command, stdout=asyncio.subprocess.PIPE, env=os.environ | {"DRAGOMAN_API_KEY": "any"}
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_the_shown_commands_are_answered(start_service):
    service = await start_service()
    create, stream, lines, resume = (
        block.replace("127.0.0.1:8080", service.http_address)
        for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    )
    start, attach, get = re.split(r"\n(?=curl)", resume)

    assert json.loads(await output_of(create))["choices"][0]["message"]["parts"] == [{"text": "Hello there!"}]
    assert (await output_of(stream)).startswith("id: 1\ndata: {")
    assert [json.loads(line)["sequence"] for line in (await output_of(lines)).splitlines()][:2] == ["1", "2"]
    name = json.loads(await output_of(start))["name"]
    await post(service, f"{OPERATIONS}/WaitOperation", {"name": name})
    assert (await output_of(attach)).startswith("id: 2\ndata: {")
    assert json.loads(await output_of(get))["done"]


async def test_the_table_lists_every_method(start_service):
    service = await start_service()
    (native,) = (one for one in service._context.http.services if one.name == "native_http")
    shown = [
        f"/{service_name}/{method}"
        for service_name, methods in re.findall(r"^\| `([\w.]+)` \| (`.*`) \|$", PAGE, re.MULTILINE)
        for method in re.findall(r"`(\w+)`", methods)
    ]

    assert shown == [method.path for method in native.methods]


def test_the_shown_numbers_are_those_of_the_code():
    shown = PAGE.partition("The statuses are ")[2].partition(".")[0]

    assert f"After {KEEP_ALIVE:g} s without an event" in PAGE
    assert {int(status) for status in re.findall(r"\b\d{3}\b", shown)} == {*STATUS_OF_CODE.values(), 413, 500}
    for name in re.findall(r"`(\w+)`", shown):
        before = shown.partition(f"`{name}`")[0]
        assert int(re.findall(r"\b\d{3}\b", before)[-1]) == STATUS_OF_CODE[code_pb2.Code.Value(name.upper())]
