"""`dragoman demo` on the real model: all scenes succeed, and no process is left behind."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from dragoman_command import run, start
from waiting import blocking_until

CHILDREN = "/proc/{0}/task/{0}/children"
SCENES = ("A complete answer", "token by token", "JSON schema", "long-running operation")
CALLS = ("client.complete(", "client.stream(", "json_schema=schema", "client.start(")


def test_the_demo_shows_the_three_deliveries_and_a_schema(weights: Path) -> None:
    with start("demo") as process:
        stdout, stderr = process.communicate(timeout=110)

    assert (process.returncode, stderr) == (0, "")
    assert [text for text in (*SCENES, *CALLS) if text not in stdout] == []
    assert re.findall(r"\d\.\d\d s  ([A-Z]+)$", stdout, re.MULTILINE) == ["QUEUED", "RUNNING", "SUCCEEDED"]
    assert len(re.findall(r"\d+ input \+ \d+ output = \d+ tokens", stdout)) == len(SCENES)
    assert "\x1b" not in stdout


def test_without_weights_the_demo_downloads_them_first(tmp_path: Path) -> None:
    ended = run("demo", DRAGOMAN_CACHE_DIR=str(tmp_path), PIP_NO_INDEX="1")

    assert ended.returncode == 1
    assert "downloads the weights" in ended.stdout
    assert "error: pip could not download" in ended.stderr


@pytest.fixture
def under_way(weights: Path) -> Iterator[tuple[subprocess.Popen[str], list[Path]]]:
    """A demo whose service is running, and the processes that it started."""
    with start("demo") as process:
        assert process.stdout is not None
        while "1. " not in process.stdout.readline():
            assert process.poll() is None
        pids = Path(CHILDREN.format(process.pid)).read_text().split()
        yield process, [Path("/proc") / pid for pid in pids]
        process.kill()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_demo_that_is_stopped_leaves_nothing_behind(
    under_way: tuple[subprocess.Popen[str], list[Path]], number: signal.Signals, code: int
) -> None:
    process, services = under_way
    process.send_signal(number)
    process.communicate(timeout=20)

    assert services
    assert process.returncode == code
    blocking_until(lambda: not any(service.exists() for service in services))
