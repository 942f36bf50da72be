"""Connect's own clients, for Node and for the web, and our client for browsers, call the HTTP listener."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dragoman_service.testing.serving import serving

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "clients/typescript"
PAGE = (ROOT / "docs/http.md").read_text()
STUBS = {
    "complete": "Hello there!",
    "models": ["echo/echo"],
    "stream": ["one", " two", " three"],
    "invalid": {"code": "InvalidArgument", "reason": "INVALID_FIELD", "fields": ["generation_config.temperature"]},
    "refused": {"code": "InvalidArgument", "reason": "INVALID_FIELD", "fields": ["messages[0]"]},
    "broken": {"code": "Unavailable", "reason": "PROVIDER_UNAVAILABLE", "fields": []},
}
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    """The TypeScript client with its tests."""
    if shutil.which("node") is None:
        pytest.fail("node is not installed. Install Node 20 or newer, then run `make test-clients` again.")
    subprocess.run(["make", "--no-print-directory", "typescript"], cwd=ROOT, check=True)


async def node(*arguments: str) -> Any:
    """What a program prints as JSON."""
    process = await asyncio.create_subprocess_exec("node", *arguments, cwd=CLIENT, stdout=subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return json.loads(output)


async def test_clients_of_connect_are_answered() -> None:
    async with serving() as served:
        told = await node("build/test/test/connect.js", f"http://{served.running.http_address}")

    for transport in ("binary", "json", "web"):
        late = told[transport].pop("late")
        assert late["code"] == "DeadlineExceeded"
        assert told[transport] == STUBS, transport
    assert "".join(told["client"]["texts"]) == told["client"]["result"] == "one two three"
    assert told["client"]["reason"] == "MODEL_NOT_FOUND"


async def test_the_shown_reader_attaches_and_resumes(tmp_path: Path) -> None:
    (reader,) = re.findall(r"```js\n(.*?)```", PAGE, re.DOTALL)
    async with serving() as served:
        address = served.running.http_address
        program = f"""
{reader.replace("127.0.0.1:8080", address)}
const real = fetch;
let calls = 0;
globalThis.fetch = async (...asked) => {{
  const response = await real(...asked);
  let pieces = 0;
  const cut = new TransformStream({{
    transform(piece, to) {{
      to.enqueue(piece);
      if (calls < 3 && ++pieces === 2) {{ calls++; to.error(new TypeError("cut")); }}
    }},
  }});
  return new Response(response.body.pipeThrough(cut), response);
}};
const started = await real("http://{address}/dragoman.v1.CompletionService/StartCompletion", {{
  method: "POST", headers: {{ "content-type": "application/json" }},
  body: JSON.stringify({{ request: {{ model: "echo", messages: [
    {{ role: "ROLE_SYSTEM", parts: [{{ text: 'echo: {{"delay": "30ms"}}' }}] }},
    {{ role: "ROLE_USER", parts: [{{ text: "a b c d e f g h" }}] }} ] }} }}),
}});
const numbers = [];
let text = "";
for await (const event of attach((await started.json()).name, "any")) {{
  numbers.push(Number(event.sequence));
  text += event.delta?.text ?? "";
}}
console.log(JSON.stringify({{ calls, numbers, text }}));
"""
        (tmp_path / "reader.mjs").write_text(program)
        told = await node(str(tmp_path / "reader.mjs"))

    assert told["text"] == "a b c d e f g h"
    assert told["numbers"] == list(range(1, len(told["numbers"]) + 1))
    assert told["calls"] >= 1, "the connection was cut"
