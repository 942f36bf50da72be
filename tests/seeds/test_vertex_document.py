"""Vertex AI's page on streamed answers: its commands of curl byte for byte but for host and token, and its programs.

Only errors of the page's conversion are repaired in the programs: back-ticks round `print`, and in the text program the
indentation of its function's body and a `temperature` from nowhere. The page never calls its functions; the tests do.
"""

from __future__ import annotations

import json
import re
import subprocess
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from dragoman_service.dialects.google.predict.tensors import plain_of_json
from seed_program import PROGRAMS, ROOT, run, with_replaced
from tls_server import TlsServer
from vertex_server import FAMILIES

ENVIRONMENTS = ["vertex-1.60", "vertex-2.7"]
VERTEX = PROGRAMS / "vertex"
CALL = '\nstreaming_prediction(project_id="project", location="us-central1")\n'
END = "=== end of a program ==="
DOCSTRING = '"""Streaming Text Example with a Large Language Model"""\n'


def curl(vertex: TlsServer, form: str, family: str, word: str, folder: Path) -> str:
    """The output of a command. `word` takes the place of the model's in `text-bison`."""
    replaced = {
        "https://us-central1-aiplatform.googleapis.com": vertex.server.root,
        "$(gcloud auth print-access-token)": vertex.server.key,
        "MODEL_ID=" + f"{family}-bison": f"MODEL_ID={family}-{word}",
    }
    script = folder / f"{form}-{family}.sh"
    script.write_text(with_replaced((VERTEX / form / f"{family}.sh").read_text(), replaced))
    answer = subprocess.run(["bash", script], capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def pieces_of(form: str, output: str) -> list[Any]:
    """The outputs, as plain values. A stream of events has nothing but lines of data."""
    if form == "array":
        tree = json.loads(output)
    else:
        lines = [line for line in output.split("\n") if line]
        assert all(line.startswith("data: ") for line in lines)
        tree = [json.loads(line.removeprefix("data: ")) for line in lines]
    return [plain_of_json(output, "outputs") for piece in tree for output in piece["outputs"]]


def text_of(pieces: list[Any]) -> str:
    return "".join((piece.get("candidates") or [piece])[0]["content"] for piece in pieces)


@pytest.mark.parametrize("form", ["sse", "array"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_command_of_the_page_is_answered_as_the_page_shows(vertex, form, family, tmp_path):
    pieces = pieces_of(form, curl(vertex, form, family, "echo", tmp_path))
    attributes = [piece["safetyAttributes"] for piece in pieces]

    assert text_of(pieces) == "PROMPT"
    if family.endswith("chat"):
        assert pieces[0]["candidates"][0]["author"] == "bot"
        assert attributes == [[{"blocked": False, "categories": None, "scores": None}]] * len(pieces)
        assert all(piece["citationMetadata"] == [{"citations": None}] for piece in pieces)
    else:
        assert attributes == [{"blocked": False, "categories": None, "scores": None}] * len(pieces)
        assert all(piece["citationMetadata"] == {"citations": None} for piece in pieces)


@pytest.mark.parametrize("form", ["sse", "array"])
def test_a_command_of_the_page_is_answered_by_the_embedded_model(vertex, form, tmp_path):
    pieces = pieces_of(form, curl(vertex, form, "chat", "bison", tmp_path))

    assert len(pieces) > 2
    assert len(text_of(pieces)) > 3


def repaired(family: str) -> str:
    """A program of the page that can run."""
    source = textwrap.dedent((VERTEX / "python" / f"{family}.txt").read_text()).replace(
        "`print(response)`", "print(response)"
    )
    if family == "text":
        head, _, body = source.partition(DOCSTRING)
        source = f"temperature = 0.8\n{head}{DOCSTRING}{textwrap.indent(body, '    ')}"
    return source


@pytest.fixture(scope="module")
def outputs(vertex: TlsServer) -> dict[tuple[str, str], str]:
    """What each program printed with each client. A client's programs run in turn in one process."""
    source = (VERTEX / "prelude.py").read_text() + "".join(f"{repaired(f)}{CALL}print({END!r})\n" for f in FAMILIES)

    def ran(environment: str) -> list[str]:
        output = run(environment, source, vertex.server.grpc, vertex.server.key, environ=vertex.trusting)
        assert len(output.pieces) > len(FAMILIES), "the answers do not come piece by piece"
        return output.text.split(END)

    with ThreadPoolExecutor() as pool:
        printed = dict(zip(ENVIRONMENTS, pool.map(ran, ENVIRONMENTS), strict=True))
    return {(name, family): printed[name][i] for name in ENVIRONMENTS for i, family in enumerate(FAMILIES)}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_program_of_the_page_prints_its_answer_piece_by_piece(outputs, environment, family):
    printed = outputs[environment, family]

    assert len(printed.split()) > 3
    assert "text=''" in printed, "the last piece, which holds the finish reason"
    assert "is_blocked=True" not in printed


def test_the_program_of_our_page_runs(vertex):
    page = (ROOT / "docs" / "vertex.md").read_text()
    program = re.findall(r"```python\n(.*?)```", page, re.S)[0]
    replaced = {"completions.example.com:443": vertex.server.grpc, "KEY": vertex.server.key}
    output = run(ENVIRONMENTS[-1], with_replaced(program, replaced), environ=vertex.trusting)

    assert len(output.text.split()) > 2
