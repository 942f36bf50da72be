"""Standard streams that are closed or full: a sentence and an exit code, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from dragoman_command import ANYWHERE, Service, environment, invoke
from waiting import blocking_until

SPAWN = """
import os, sys
for stream in sys.argv[1].split(","):
    number, _, path = stream.partition("=")
    os.close(int(number))
    if path:
        os.dup2(os.open(path, os.O_WRONLY), int(number))
        os.set_inheritable(int(number), True)
os.execv(sys.executable, [sys.executable, "-m", "dragoman_service", *sys.argv[2:]])
"""


def spawn(streams: str, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Starts the command with some of its streams closed (`1`) or on a file (`1=/dev/full`)."""
    return subprocess.Popen(
        [sys.executable, "-c", SPAWN, streams, *arguments],
        env=environment(**environ),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


COMMANDS = [
    ("complete", "-m", "echo", "hi"),
    ("complete", "-m", "echo", "hi", "--no-stream"),
    ("complete", "-m", "echo", "hi", "--operation"),
    ("models",),
    ("operations", "list"),
    ("plugins",),
    ("keys", "create", "a"),
    ("--help",),
]


@pytest.mark.parametrize(
    ("streams", "arguments"),
    [
        *(("1=/dev/full", command) for command in COMMANDS),
        *(("1", command) for command in (COMMANDS[0], ("models",), ("--help",))),
    ],
)
def test_a_command_that_cannot_write_its_answer_fails_with_a_sentence(
    service: Service, streams: str, arguments: tuple[str, ...]
) -> None:
    process = spawn(streams, *arguments, DRAGOMAN_TARGET=service.target)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "error: stdout cannot be written: " in stderr
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr


@pytest.mark.parametrize("streams", ["2", "2=/dev/full", "0,2"])
def test_a_command_needs_no_stderr(service: Service, streams: str) -> None:
    answered = spawn(streams, "complete", "-m", "echo", "hi", "--usage", DRAGOMAN_TARGET=service.target)
    refused = spawn(streams, "complete", "-m", "nobody", "hi", DRAGOMAN_TARGET=service.target)
    wrong = spawn(streams, "complete", "--nonsense")

    assert (answered.communicate(timeout=60)[0], answered.returncode) == ("hi\n", 0)
    assert (refused.wait(60), wrong.wait(60)) == (1, 2)


def test_a_prompt_from_a_closed_stdin_is_a_usage_error(service: Service) -> None:
    process = spawn("0", "complete", "-m", "echo", DRAGOMAN_TARGET=service.target)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "stdin cannot be read" in stderr
    assert "Traceback" not in stderr


def is_served(address: str) -> bool:
    """Whether a service answers there."""
    try:
        with urllib.request.urlopen(f"http://{address}/livez", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize(
    ("streams", "workers"),
    [
        ("0,1,2", "1"),
        ("1=/dev/full,2=/dev/full", "1"),
        ("0,1,2", "2"),
    ],
)
def test_the_service_serves_without_its_streams(
    echo_file: Path, tmp_path: Path, streams: str, workers: str, free_port: Callable[[], int]
) -> None:
    target, page = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    process = spawn(
        streams,
        *("serve", "--grpc-listen", target, "--http-listen", page, "--workers", workers),
        *("--config", str(echo_file), "--data-dir", str(tmp_path)),
        DRAGOMAN_SERVER__DRAIN_DELAY="0s",
    )
    try:
        blocking_until(lambda: is_served(page) or process.poll() is not None)
        answer = invoke("complete", "works", "-m", "echo", "--target", target).stdout
        process.send_signal(signal.SIGTERM)
        assert answer == "works\n"
        assert process.wait(30) in (0, 128 + signal.SIGTERM)  # the other worker may have been starting still
    finally:
        process.kill()
        process.communicate()


def test_no_descriptor_of_a_stream_is_reused(echo_file: Path, tmp_path: Path) -> None:
    process = spawn("0,1,2", "serve", *ANYWHERE, "--config", str(echo_file), "--data-dir", str(tmp_path))
    try:
        blocking_until(lambda: len(os.listdir(f"/proc/{process.pid}/fd")) > 8)
        links = {os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)}
    finally:
        process.kill()
        process.communicate()

    assert links == {"/dev/null"}


def test_a_working_directory_that_was_removed_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = "import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, sys.argv[1:])"
    command = [sys.executable, "-c", program, sys.executable, "-m", "dragoman_service", "config", "check"]
    ended = subprocess.run(command, env=environment(), cwd=gone, capture_output=True, text=True, check=False)

    assert ended.stderr == (
        "error: the working directory cannot be used: No such file or directory. Change to another one\n"
    )
    assert ended.returncode == 2
