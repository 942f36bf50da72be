"""What the Dockerfile says, without building it: the health check, and who may write the folder of the data."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised import children
from waiting import blocking_until

TEXT = (Path(__file__).parents[2] / "Dockerfile").read_text()


class Live(http.server.BaseHTTPRequestHandler):
    """Answers `/livez` alone."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Is silent."""


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Live) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
def test_the_health_check_asks_the_service_even_if_there_is_a_proxy(port: int, proxy: str) -> None:
    command = re.search(r'^ *CMD (\["python".*\])$', TEXT, re.MULTILINE)
    assert command is not None
    code = json.loads(command[1])[2].replace(":8080", f":{port}")
    environ = {**os.environ, "http_proxy": proxy, "HTTP_PROXY": proxy}

    assert subprocess.run([sys.executable, "-c", code], env=environ, check=False).returncode == 0


def test_an_arbitrary_user_of_group_0_may_write_the_data(tmp_path: Path) -> None:
    layout = re.search(r"(install --directory.*) /var/lib/dragoman", TEXT)
    assert layout is not None
    arguments = re.sub(r"--(owner|group) \d+", "", layout[1]).split()  # only root may give a folder away
    subprocess.run([*arguments, str(tmp_path / "data")], check=True)

    assert "--group 0" in layout[1]
    assert (tmp_path / "data").stat().st_mode & 0o070 == 0o070


UNSHARE = ("unshare", "--pid", "--fork", "--kill-child")


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode,
    reason="needs the right to make a namespace of processes",
)
def test_process_1_heeds_sigterm_before_it_has_imported_the_service(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*UNSHARE, sys.executable, "-m", "dragoman_service", "serve", "--data-dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        blocking_until(lambda: [pid for pid in children(process.pid) if catches_sigterm(pid)])
        (first,) = children(process.pid)
        maps = Path(f"/proc/{first}/maps").read_text()
        os.kill(first, signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()

    assert "cygrpc" not in maps


def catches_sigterm(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM."""
    found = re.search(r"^SigCgt:\s+(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(found and int(found[1], 16) & 1 << (signal.SIGTERM - 1))
