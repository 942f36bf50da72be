"""The service that the programs call: the command `dragoman` with the embedded model and scripted failures."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TIMEOUT = 20.0  # seconds
COMMAND = Path(sys.executable).with_name("dragoman")
SETTINGS = """
[server]
grpc = "127.0.0.1:0"
http = "127.0.0.1:0"
data_dir = "data"
drain_delay = "0s"

[access]
open_metrics = true

[routing]
max_attempts = 1  # each program sees each failure, and attempts are counted
breaker = false

[providers.local]
[providers.echo]

[providers.overloaded]
plugin = "echo"
fail_after = 0
fail_code = "RESOURCE_EXHAUSTED"
fail_reason = "PROVIDER_RATE_LIMITED"
fail_retry_after = "1s"

[providers.away]
plugin = "echo"
fail_after = 0
fail_retry_after = "1s"

[providers.spent]
plugin = "echo"
fail_after = 0
fail_code = "RESOURCE_EXHAUSTED"
fail_reason = "PROVIDER_QUOTA"

[providers.breaking]
plugin = "echo"
text = "one two three four five six"
delay = "20ms"
fail_after = 3
fail_reason = "PROVIDER_STREAM_BROKEN"

[providers.slow]
plugin = "echo"
delay = "50ms"

[providers.silent]
plugin = "echo"
first_delay = "60s"
"""


def key_of(caller: str, *options: str) -> tuple[str, str]:
    """A new API key, and the settings that admit it."""
    made = subprocess.run([COMMAND, "keys", "create", caller, *options], capture_output=True, text=True, check=True)
    key, _, settings = made.stdout.partition("\n")
    return key, settings


class SeedServer:
    """A running `dragoman serve`."""

    def __init__(self, process: subprocess.Popen[str], log: Path, key: str, narrow_key: str) -> None:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(2)]
        assert all(lines), log.read_text()
        addresses = dict(lines)
        self.grpc, self.http = addresses["grpc"], addresses["http"]
        self.key, self.narrow_key = key, narrow_key  # the second one admits only to `echo`
        self._log_file = log

    @property
    def root(self) -> str:
        return f"http://{self.http}"

    @property
    def base_url(self) -> str:
        """For clients whose base URL includes the version."""
        return f"{self.root}/v1"

    def attempts(self, provider: str, outcome: str = "") -> int:
        """Number of attempts at a provider for callers; only those with `outcome`, if it is given."""
        with urllib.request.urlopen(f"{self.root}/metrics") as page:  # noqa: S310
            lines = page.read().decode()
        series = re.findall(r"^dragoman_provider_attempts_total{(.*)} (\S+)$", lines, re.MULTILINE)
        wanted = (f'provider="{provider}"', f'outcome="{outcome}', 'kind="first"')
        return round(sum(float(value) for labels, value in series if all(label in labels for label in wanted)))

    @property
    def log(self) -> str:
        """The log so far."""
        return self._log_file.read_text()

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The log records of the calls so far."""
        records = map(json.loads, self.log.rpartition("\n")[0].splitlines())
        return [record for record in records if record["event"] == "rpc.done"]


@contextmanager
def serving(folder: Path, settings: str = SETTINGS) -> Iterator[SeedServer]:
    """A service with its settings, data and log in `folder`, until the context ends."""
    key, admitting = key_of("seeds")
    narrow_key, narrow_settings = key_of("narrow", "--models", "echo*")
    file, log = folder / "dragoman.toml", folder / "service.log"
    file.write_text(f"{settings}\n{admitting}\n{narrow_settings}")
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [COMMAND, "serve", "--config", file],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        yield SeedServer(process, log, key, narrow_key)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
            process.communicate()
