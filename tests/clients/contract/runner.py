"""Runs the contract suite with a client of Python: `runner.py [--async] cases.json servers.json`, see README.md."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path += map(str, (HERE, HERE.parent))

from dragoman import TLS, AsyncClient, Client, v1
from either_client import ask
from google.protobuf import json_format
from runner_actions import ACTIONS, Run
from runner_checks import check

LIMIT = 60.0  # seconds
OPTIONS = {
    *("after_sequence", "cancel_after", "cut_after", "cuts", "delete", "key", "kill_after", "repeat", "running"),
    *("service", "text", "timeout", "times", "via"),
}


def request_of(case: dict[str, Any]) -> v1.CompletionRequest:
    """The request to send, with a request_id of its own and the text repeated."""
    request = json_format.ParseDict(case.get("request", {}), v1.CompletionRequest())
    if request.request_id:
        request.request_id += f"-{uuid.uuid4()}"
    if times := case.get("options", {}).get("repeat"):
        request.messages[-1].parts[0].text *= times
    return request


async def run(case: dict[str, Any], servers: dict[str, Any], kind: type[Client | AsyncClient]) -> None:
    """Runs a case. Raises AssertionError if it fails."""
    options, server = case.get("options", {}), servers[case["server"]]
    assert options.keys() <= OPTIONS, f"unknown options: {options.keys() - OPTIONS}"
    tls = TLS(ca=server["ca"]) if "ca" in server else None
    client = kind(server["target"], api_key=options.get("key", server.get("key", "")), tls=tls)
    try:
        case_run = Run(client, request_of(case), options, server["target"], servers["control"])
        async with asyncio.timeout(LIMIT):
            outcome = await ACTIONS[case["action"]](case_run)
        check(case["expect"], outcome)
    finally:
        await ask(client.close)


async def report(case: dict[str, Any], servers: dict[str, Any], kind: type[Client | AsyncClient]) -> dict[str, str]:
    """The line that tells how a case ended."""
    if case["action"] not in ACTIONS:
        return {"case": case["name"], "status": "unsupported", "message": f"unknown action {case['action']}"}
    try:
        await run(case, servers, kind)
    except Exception as error:  # noqa: BLE001 - whatever a client raises is the outcome of the case
        return {"case": case["name"], "status": "failed", "message": str(error) or repr(error)}
    return {"case": case["name"], "status": "passed", "message": ""}


async def main(cases: list[dict[str, Any]], servers: dict[str, Any], kind: type[Client | AsyncClient]) -> None:
    for case in cases:
        print(json.dumps(await report(case, servers, kind)), flush=True)  # noqa: T201


if __name__ == "__main__":
    files = [json.loads(Path(name).read_text()) for name in sys.argv[-2:]]
    asyncio.run(main(*files, AsyncClient if "--async" in sys.argv else Client))
