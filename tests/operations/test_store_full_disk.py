"""A disk that is really full: what frees space still works, so that callers and the service can help themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import asyncio, contextlib, json, os, sys
from pathlib import Path
from dragoman_service.contract import CompletionError
from dragoman_service.operations.store.interface import StoreContext
from dragoman_service.operations.store.opening import open_store
from dragoman_service.testing.operation_laws.rows import OWNER, new

async def main(folder):
    async with open_store("sqlite:///operations.db", StoreContext(folder, lambda *change: None)) as store:
        stored = 0
        with contextlib.suppress(CompletionError):
            while True:
                await store.start(new(stored, request=os.urandom(50_000)))
                stored += 1
        with (folder / "others").open("wb", buffering=0) as others, contextlib.suppress(OSError):
            while True:
                others.write(b"x" * 4096)
        both = await asyncio.gather(
            store.delete(OWNER, new(0).id), store.start(new(stored, request=os.urandom(50_000))), return_exceptions=True
        )
        gone = [await store.delete(OWNER, new(number).id) for number in range(1, stored)]
        later, _ = await store.start(new(stored, request=os.urandom(50_000)))
        print(json.dumps([stored, both[0], getattr(both[1], "reason", 0), sum(gone), later.name]))

asyncio.run(main(Path(sys.argv[1])))
"""
MOUNT = 'mount -t tmpfs -o size=24m tmpfs "$1" && exec "$2" -c "$3" "$1"'


def test_deleting_works_on_a_full_disk_and_makes_room_for_new_operations(tmp_path: Path) -> None:
    isolated = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    try:
        subprocess.run([*isolated, 'mount -t tmpfs tmpfs "$1"', "sh", str(tmp_path)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets nobody mount a file system of their own")
    command = [*isolated, MOUNT, "sh", str(tmp_path), sys.executable, PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    stored, deleted, reason, gone, later = json.loads(done.stdout.splitlines()[-1])

    assert stored > 100
    assert (deleted, reason != 0) == (True, True), "what needs space is refused, what frees it is not"
    assert (gone, later) == (stored - 1, "CREATED")
