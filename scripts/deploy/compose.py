"""Checks deploy/compose: against the schema of the Compose specification, and what the schema cannot know.

It names what this machine cannot check: without a container engine nothing is started.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "compose"
FILE = FOLDER / "compose.yaml"
TOOLS = ROOT / ".tools" / "bin"
READ = "import json, ruamel.yaml, sys; print(json.dumps(ruamel.yaml.YAML(typ='safe').load(open(sys.argv[1]))))"


def main() -> int:
    faults = [*against_schema(), *against_folder(read(FILE))]
    for fault in faults:
        print(f"compose: {fault}")
    if not faults:
        print("compose: fits the schema of the Compose specification; files, ports and conditions are sound")
    return bool(faults) or by_docker()


def read(path: Path) -> Any:
    """The content of a YAML file. Its parser lives in .tools."""
    done = subprocess.run([str(TOOLS / "python"), "-c", READ, str(path)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def against_schema() -> Iterator[str]:
    command = [str(TOOLS / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"does not fit the schema\n{done.stdout}{done.stderr}"


def against_folder(compose: dict[str, Any]) -> Iterator[str]:
    """Mistakes that Docker would report when services start, and ports that other machines could reach."""
    services = compose["services"]
    for name, service in services.items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if not (source in compose["volumes"] if source.isidentifier() else (FOLDER / source).exists()):
                yield f"{name} mounts {source}, which does not exist"
        for secret in set(service.get("secrets", ())) - compose["secrets"].keys():
            yield f"{name} uses the secret {secret}, which is not declared"
        for port in service.get("ports", ()):
            if not port.startswith("127.0.0.1:"):
                yield f"{name} publishes {port} to other machines"
        yield from against_services(name, service, services)


def against_services(name: str, service: dict[str, Any], services: dict[str, Any]) -> Iterator[str]:
    conditions = service.get("depends_on", {})
    for other in conditions:
        if other not in services:
            yield f"{name} depends on {other}, which does not exist"
        elif not isinstance(conditions, list) and "healthcheck" not in services[other]:
            yield f"{name} waits until {other} is healthy, which has no health check"


def by_docker() -> int:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        print("compose: `docker compose config` and a start are not checked, because docker compose is missing")
        return 0
    command = [docker, "compose", "--file", str(FILE), "--profile", "observe", "config", "--quiet"]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
