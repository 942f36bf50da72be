"""What the image promises, kept by the service under the container's conditions, without a container engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import grpc
import pytest
from dragoman_service.process.supervisor import EXIT_MARGIN
from dragoman_service.providers.local.engine.process import EngineError
from dragoman_service.providers.local.provider import LocalSettings, open_local
from grpc_health.v1 import health_pb2, health_pb2_grpc
from supervised import Supervised, children
from waiting import until

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNSHARE = ("unshare", "--mount", "--propagation", "private", *(() if os.geteuid() == 0 else ("--map-root-user",)))
needs_namespace = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False).returncode,
    reason="needs the right to make a namespace of mounts",
)


def environment(cache: Path) -> dict[str, str]:
    """The variables that the Dockerfile sets, with the paths of this checkout in place of those in the image."""
    lines = re.findall(r"^ENV ((?:.*\\\n)*.*)", DOCKERFILE, re.MULTILINE)
    variables = dict(pair.split("=", 1) for line in lines for pair in line.replace("\\\n", " ").split())
    path = f"{ROOT / '.venv/bin'}:/usr/local/bin:/usr/bin:/bin"
    return variables | {"PATH": path, "DRAGOMAN_CACHE_DIR": str(cache)}


def privileges(user: int, group: int) -> list[str]:
    """As with `--cap-drop ALL --security-opt no-new-privileges --user`. Only root can become another user."""
    if os.geteuid() != 0:
        return ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    ids = ["--reuid", str(user), "--regid", str(group), "--clear-groups"]
    return ["setpriv", *ids, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]


@asynccontextmanager
async def contained(folder: Path, cache: Path, user: int, group: int, **variables: str) -> AsyncIterator[Supervised]:
    """The image's command, `dragoman serve`, with ports that the system chooses."""
    data = folder / "data"
    data.mkdir(mode=0o775)
    data.chmod(0o775)
    if os.geteuid() == 0:
        os.chown(data, 10001, 0)
    given = {
        "readable": [str(path) for path in readable(cache)],
        "data": str(data),
        "environment": environment(cache) | variables,
        "privileges": privileges(user, group),
        "command": ["dragoman", "serve", "--grpc-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"],
    }
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(*UNSHARE, sys.executable, str(Path(__file__).with_name("contained.py")), json.dumps(given)),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    started = Supervised(process, folder / "log", folder, int(variables.get("DRAGOMAN_SERVER__WORKERS", 1)))
    try:
        await started.wait_until_serving()
        yield started
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def readable(cache: Path) -> list[Path]:
    return [ROOT / ".venv", ROOT / "service", ROOT / "clients/python", Path(sys.base_prefix), cache]


async def probed(service: Supervised) -> tuple[int, ...]:
    """The statuses of the probes, in the order in which Kubernetes asks them; 0: nobody answers."""
    statuses = []
    async with aiohttp.ClientSession() as session:
        for path in ("/livez", "/readyz"):
            try:
                async with session.get(f"http://{service.http}{path}") as answer:
                    statuses.append(answer.status)
            except aiohttp.ClientError:
                statuses.append(0)
    return tuple(statuses)


def written(folder: Path) -> dict[str, tuple[int, int]]:
    """The files in the folder of the data: name → user and group."""
    return {path.name: (path.stat().st_uid, path.stat().st_gid) for path in (folder / "data").iterdir()}


def mounts_of(pid: int) -> dict[str, str]:
    """How the file systems of a process are mounted: path → `ro` or `rw`."""
    text = Path(f"/proc/{pid}/mountinfo").read_text()
    return dict(re.findall(r"^\S+ \S+ \S+ \S+ (\S+) (ro|rw)", text, re.MULTILINE))


def status_of(pid: int, field: str) -> str:
    found = re.search(rf"^{field}:\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return found[1]


@needs_namespace
async def test_the_image_serves_from_a_read_only_tree_without_rights(tmp_path: Path, weights: Path) -> None:
    settings = {"DRAGOMAN_SERVER__WORKERS": "2", "DRAGOMAN_SERVER__DRAIN_DELAY": "0"}
    async with contained(tmp_path, weights.parents[1], 10001, 10001, **settings) as service:
        pid = service.process.pid
        family = [pid, *children(pid)]
        measured = await service.measured("dragoman_build_info")  # of several workers: from files in /tmp
        rights = {(status_of(one, "NoNewPrivs"), int(status_of(one, "CapEff"), 16)) for one in family}
        users = {status_of(one, "Uid").split()[0] for one in family}
        mounts = mounts_of(pid)
        service.send(signal.SIGTERM)
        code = await service.exit_code()

    assert measured >= 1
    assert code == 0
    assert mounts.items() >= {"/": "ro", "/tmp": "rw", "/var/lib/dragoman": "rw"}.items()  # noqa: S108 - in its namespace
    assert all(record["unreachable"] is None for record in service.logged("serving"))  # the embedded model runs
    assert "operations.db" in written(tmp_path)
    if os.geteuid() == 0:
        assert len(family) >= 3
        assert rights == {("1", 0)}
        assert users == {"10001"}
        assert set(written(tmp_path).values()) == {(10001, 10001)}


@needs_namespace
async def test_an_arbitrary_user_serves_and_its_drain_is_seen_by_probes(tmp_path: Path) -> None:
    settings = {"DRAGOMAN_PROVIDERS": "{ echo = {} }", "DRAGOMAN_SERVER__DRAIN_DELAY": "1s"}
    seen: list[tuple[int, ...]] = []

    async def follow(service: Supervised) -> bool:
        statuses = await probed(service)
        if statuses != (seen or [None])[-1]:
            seen.append(statuses)
        return statuses == (0, 0)

    async with contained(tmp_path, tmp_path, 1_000_660_000, 0, **settings) as service:
        await follow(service)
        async with grpc.aio.insecure_channel(service.grpc) as channel:
            serving = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        service.send(signal.SIGTERM)
        took = await until(lambda: follow(service), seconds=1 + 20 + EXIT_MARGIN)
        code = await service.exit_code()

    assert serving.status == health_pb2.HealthCheckResponse.SERVING
    assert seen == [(200, 200), (200, 503), (0, 0)]
    assert took >= 1
    assert code == 0
    if os.geteuid() == 0:
        assert set(written(tmp_path).values()) == {(1_000_660_000, 0)}


async def test_without_its_runtime_the_embedded_model_says_what_to_configure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    monkeypatch.setenv("DRAGOMAN_CACHE_DIR", "/nonexistent")  # as in the image, which has no weights either

    with pytest.raises(EngineError, match=r"Name another provider under \[providers\] in the settings"):
        await open_local(LocalSettings()).__aenter__()


def test_both_images_hold_no_installer_and_no_setuid_file() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    base = next(stage for stage in stages if " AS base" in stage)
    finals = {stage.splitlines()[0] for stage in stages if stage.startswith("base")}

    assert finals == {"base AS minimal", "base"}
    assert "pip uninstall --yes pip " in base
    assert "find / -xdev -type f -perm /6000 -exec chmod ug-s {} +" in base
    assert all("USER 10001:10001" in stage for stage in stages if stage.startswith("base"))
    assert all("pip uninstall --yes setuptools pip" in stage for stage in stages if " AS installed" in stage)


def test_only_the_larger_image_has_the_embedded_model() -> None:
    minimal, whole = re.split(r"^FROM base", DOCKERFILE, flags=re.MULTILINE)[1:]

    assert "weights" not in minimal
    assert "--from=installed-minimal" in minimal
    assert "/opt/weights" in whole
    assert "xllamacpp" not in (ROOT / "requirements/minimal.lock").read_text()
    assert "xllamacpp" in (ROOT / "requirements/runtime.lock").read_text()
