"""Runs the cases in every language, side by side, and draws the table of what came of them."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from languages import HERE, LANGUAGES, ROOT, CannotRunError, Language, environment

CASES: list[dict[str, Any]] = json.loads((HERE / "cases.json").read_text())
SIDE_BY_SIDE = 3  # sets of servers, each with a runner; the cases mostly wait
RUN_LIMIT = 240  # seconds
NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of a case in a language. `status` is one of README.md's, or NOT_RUN."""

    status: str
    message: str

    @property
    def is_green(self) -> bool:
        return self.status == "passed"


Table = Mapping[str, Mapping[str, Cell]]
"""Language → case → cell. Every cell is there."""


def filled(folder: Path) -> Table:
    """Builds all runners, runs all cases, and returns the table. Servers and runners write below `folder`."""
    waiting: queue.SimpleQueue[Language] = queue.SimpleQueue()
    table: dict[str, Mapping[str, Cell]] = {}
    for language in LANGUAGES:
        try:
            language.prepare()
        except CannotRunError as problem:
            table[language.name] = _row({}, str(problem))
        else:
            waiting.put(language)
    began = time.monotonic()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        for result in [threads.submit(_work, waiting, table, folder / str(number)) for number in range(SIDE_BY_SIDE)]:
            result.result()
    print(f"The runners took {time.monotonic() - began:.0f} s.")  # noqa: T201
    return {language.name: table[language.name] for language in LANGUAGES}


def _work(waiting: queue.SimpleQueue[Language], table: dict[str, Mapping[str, Cell]], folder: Path) -> None:
    """Runs languages that wait, one after the other, against servers of their own."""
    try:
        language = waiting.get_nowait()
    except queue.Empty:
        return
    with servers(folder) as file:
        while True:
            table[language.name] = _row(*_run(language, file, folder))
            try:
                language = waiting.get_nowait()
            except queue.Empty:
                return


@contextmanager
def servers(folder: Path) -> Iterator[Path]:
    """Starts servers, and returns servers.json."""
    process = subprocess.Popen(
        [sys.executable, HERE / "servers.py", folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n", f"the servers did not start: {folder}"
        yield folder / "servers.json"
    finally:
        process.communicate()


def _run(language: Language, file: Path, folder: Path) -> tuple[dict[str, Cell], str]:
    """The cells of a language, and what else its runner said. The cases of the server `tls` run beside the others."""
    beside = [case for case in CASES if case["server"] == "tls"]
    parts = {"tls": beside, "others": [case for case in CASES if case not in beside]}
    running = []
    for part, cases in parts.items():
        listed = folder / f"{language.name}-{part}.json"
        listed.write_text(json.dumps(cases))
        running.append(
            subprocess.Popen(
                [*language.run, listed, file],
                cwd=language.path,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=(folder / f"{language.name}-{part}.log").open("w"),
                text=True,
            )
        )
    cells: dict[str, Cell] = {}
    ended = []
    for process in running:
        try:
            said, _ = process.communicate(timeout=RUN_LIMIT)
            ended.append(f"exit code {process.returncode}")
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
            ended.append(f"stopped after {RUN_LIMIT} s")
        cells |= _cells(said)
    logs = " ".join(log.read_text()[-1000:] for log in sorted(folder.glob(f"{language.name}-*.log")))
    return cells, f"{', '.join(ended)} {logs}".strip()


def _cells(said: str) -> dict[str, Cell]:
    cells = {}
    for line in said.splitlines():
        try:
            result = json.loads(line)
            cells[result["case"]] = Cell(result["status"], result.get("message", ""))
        except (ValueError, KeyError, TypeError):
            print(f"not a result: {line}", file=sys.stderr)  # noqa: T201
    return cells


def _row(cells: Mapping[str, Cell], why: str) -> dict[str, Cell]:
    """All cells of a language; `why` goes into those that are missing."""
    return {case["name"]: cells.get(case["name"], Cell(NOT_RUN, why)) for case in CASES}


def drawn(table: Table) -> str:
    """The table as text."""
    names = [case["name"] for case in CASES]
    first, columns = max(map(len, names)), {language: max(len(language), len(NOT_RUN)) for language in table}
    lines = ["  ".join([" " * first, *(language.ljust(width) for language, width in columns.items())]).rstrip()]
    for name in names:
        words = ("ok" if table[language][name].is_green else table[language][name].status for language in table)
        lines.append("  ".join([name.ljust(first), *map(str.ljust, words, columns.values())]).rstrip())
    green = sum(cell.is_green for row in table.values() for cell in row.values())
    return "\n".join([*lines, f"{green} of {len(names) * len(table)} cells passed"])


def written(table: Table) -> Path:
    """The file to which the table goes."""
    file = ROOT / "build" / "contract" / "table.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(drawn(table) + "\n")
    return file
