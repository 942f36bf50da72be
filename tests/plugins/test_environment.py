"""What other distributions and plugins in the environment do to `dragoman`: they stop nothing and spoil nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BROKEN = {
    "malformed": b"[some.other.tool]\nbroken line without the sign\n",
    "not UTF-8": b"[some.other.tool]\nx = y:z # \xff\n",
}
PLUGIN = r"""
import os, subprocess, sys
print("thank you for using acme")
os.write(1, b"from a library\n")
subprocess.run([sys.executable, "-c", "print('from a child')"])
from contextlib import asynccontextmanager

@asynccontextmanager
async def open_acme(settings: dict):
    print("acme opens")
    class Acme:
        def models(self):
            return []
    yield Acme()
"""


def install(site: Path, entry_points: bytes) -> None:
    """Puts a distribution `acme` into the folder."""
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_bytes(entry_points)


def command(site: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dragoman_service", *arguments],
        env={**os.environ, "PYTHONPATH": str(site)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def first_line(site: Path, folder: Path, providers: str, workers: int = 1) -> tuple[str, str]:
    """The first line that a service writes to stdout, and all that it writes to stderr."""
    config = folder / "dragoman.toml"
    config.write_text(
        f'[server]\nworkers = {workers}\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\ndrain_delay = "0s"\n{providers}'
    )
    process = command(site, "serve", "--config", str(config), "--data-dir", str(folder))
    assert process.stdout is not None
    line = process.stdout.readline()
    process.terminate()
    return line, process.communicate(timeout=30)[1]


@pytest.mark.parametrize(("kind", "workers"), [("malformed", 1), ("not UTF-8", 2)])
def test_broken_metadata_of_another_distribution_is_named_and_stops_nothing(
    tmp_path: Path, kind: str, workers: int
) -> None:
    install(tmp_path / "site", BROKEN[kind])
    listed = command(tmp_path / "site", "plugins", "--json")
    stdout, stderr = listed.communicate(timeout=60)
    line, log = first_line(tmp_path / "site", tmp_path, "[providers.echo]\n", workers)

    assert "echo" in {plugin["name"] for plugin in json.loads(stdout)}
    assert "warning: the entry points of acme cannot be read" in stderr
    assert line.startswith("grpc ")
    assert "the entry points of acme cannot be read" in log


def test_a_plugin_that_prints_does_not_spoil_stdout(tmp_path: Path) -> None:
    install(tmp_path / "site", b"[dragoman.providers]\nacme = acme_mod:open_acme\n")
    (tmp_path / "site" / "acme_mod.py").write_text(PLUGIN)
    stdout, stderr = command(tmp_path / "site", "plugins", "--json").communicate(timeout=60)
    line, log = first_line(tmp_path / "site", tmp_path, "[providers.acme]\n")

    assert "acme" in {plugin["name"] for plugin in json.loads(stdout)}
    assert {"thank you for using acme", "from a library", "from a child"} <= set(stderr.splitlines())
    assert line.startswith("grpc ")
    assert "acme opens" in log
