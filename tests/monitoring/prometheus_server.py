"""A real Prometheus that scrapes one address every second, with the rules that are shipped."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from waiting import until

RULES = Path(__file__).parents[2] / "deploy/observability"
READY = "Server is ready to receive web requests"
LISTENING = re.compile(r'msg="?Listening on"? address=(\S+)')


class Prometheus:
    """The running server."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API. Fails if that is an error."""
        url = f"http://{self._address}/api/v1/{path}"
        async with aiohttp.ClientSession() as session, session.get(url, params=parameters) as answer:
            said = await answer.json()
        assert said["status"] == "success", f"{parameters}: {said.get('error')}"
        return said["data"]

    async def result(self, query: str) -> list[Any]:
        """The series that a query yields now: labels and a value each."""
        data = await self.ask("query", query=query)
        return list(data["result"])

    async def scrapes(self) -> int:
        """How many scrapes have succeeded."""
        found = await self.result("sum(count_over_time(up[1h])) and sum(up) > 0")
        return int(found[0]["value"][1]) if found else 0


@asynccontextmanager
async def prometheus(program: str, folder: Path, target: str) -> AsyncIterator[Prometheus]:
    """Starts it; `target` is the address with /metrics."""
    file, log = folder / "prometheus.yml", folder / "prometheus.log"
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES / name) for name in ("recording.yml", "alerts.yml")],
        "scrape_configs": [{"job_name": "dragoman", "static_configs": [{"targets": [target]}]}],
    }
    file.write_text(json.dumps(config))  # JSON is YAML
    options = {"config.file": file, "storage.tsdb.path": folder / "series", "web.listen-address": "127.0.0.1:0"}
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            program, *(f"--{name}={value}" for name, value in options.items()), stdout=output, stderr=output
        )
    try:
        await until(lambda: process.returncode is not None or READY in log.read_text(), 20)
        found = LISTENING.search(log.read_text())
        assert found is not None, log.read_text()
        yield Prometheus(found[1])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
