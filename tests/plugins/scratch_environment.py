"""A separate Python environment that also has the packages of this one, and the command `dragoman` in it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT = 60.0  # seconds
SOON = 5.0  # seconds
ANYWHERE = ("--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0")


class ScratchEnvironment:
    """An environment in `folder`. What is installed there is not visible elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "environment", with_pip=False)
        self.python = folder / "environment" / "bin" / "python"
        packages = next((folder / "environment" / "lib").glob("python*")) / "site-packages"
        here = sysconfig.get_path("purelib")
        (packages / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")

    def install(self, source: Path) -> None:
        """Builds the package in `source` and installs it, without a network."""
        copy = shutil.copytree(source, self.folder / "sources" / source.name)
        self.run("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", str(copy))

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("DRAGOMAN_", "PYTHON"))}
        return subprocess.Popen([self.python, *arguments], env=environ, cwd=self.folder, text=True, **streams)

    def run(self, *arguments: str, code: int = 0, seconds: float = TIMEOUT) -> str:
        """Runs Python and returns what it prints; fails if it does not exit with `code`."""
        process = self.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output, _ = process.communicate(timeout=seconds)
        finally:
            process.kill()
        assert process.returncode == code, output
        return output

    def plugins(self, *arguments: str) -> list[dict[str, str]]:
        """The output of `dragoman plugins`."""
        found: list[dict[str, str]] = json.loads(self.run("-m", "dragoman_service", "plugins", "--json", *arguments))
        return found

    @contextmanager
    def serving(self, settings: str) -> Iterator[Service]:
        """Runs a service with these settings (TOML) until the context is left. It must exit with 0."""
        config = self.folder / "dragoman.toml"
        config.write_text(settings)
        arguments = ("serve", *ANYWHERE, "--data-dir", str(self.folder / "data"), "--config", str(config))
        log = self.folder / "service.log"
        with log.open("wb") as stderr:
            process = self.start("-m", "dragoman_service", *arguments, stdout=subprocess.PIPE, stderr=stderr)
        try:
            yield Service(process, log)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == 0, log.read_text()


class Service:
    """A service in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        assert process.stdout is not None
        self._log = log
        lines = [process.stdout.readline().split() for _ in range(2)]
        assert all(lines), log.read_text()
        self.address, self.http_address = dict(lines)["grpc"], dict(lines)["http"]

    @property
    def log(self) -> list[dict[str, Any]]:
        """The log lines so far."""
        return [json.loads(line) for line in self._log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def logs(self, holds: Callable[[dict[str, Any]], bool]) -> bool:
        """Whether `holds` is true for a log line. Waits for it, because a line is written a moment after the event."""
        deadline = time.monotonic() + SOON
        while not (found := any(map(holds, self.log))) and time.monotonic() < deadline:
            time.sleep(0.01)
        return found
