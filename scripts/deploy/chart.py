"""Checks the Helm chart with what this machine has, and names what it lacks: `chart.py`.

`chart.py write` renders tests/deploy/golden again and writes the table of values in docs/kubernetes.md. The renderings
are committed, so that a change of the chart shows what it does; without helm a hash of their sources tells whether they
are up to date.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/dragoman"
GOLDEN = ROOT / "tests/deploy/golden"
RENEW = "run `python scripts/deploy/chart.py write`"
STAMP = GOLDEN / "sources.sha256"
PAGE = ROOT / "docs/kubernetes.md"
BEGIN, END = "<!-- values: made by scripts/deploy/chart.py write -->\n", "<!-- end of values -->\n"
TOOLS = ROOT / ".tools/bin"
READ = """
import json, sys, yaml
for name in sys.argv[1:]:
    print(json.dumps([document for document in yaml.safe_load_all(open(name)) if document]))
"""
CLUSTER = ("--kube-version", "1.37")  # a helm that its project has not built takes an old version
OLDEST = "1.27"  # kubeVersion in Chart.yaml; objects have to fit its schemas, and those of the newest version


def main() -> int:
    helm = find_helm()
    if sys.argv[1:] == ["write"]:
        return write(helm)
    faults = [*stale_page(), *stale_renderings(helm), *versions(), *unsound_objects()]
    if helm:
        faults += lint(helm)
    for fault in faults:
        print(f"chart: {fault}")
    if not faults:
        print(f"chart: {len(list(cases()))} renderings fit the schemas of Kubernetes {OLDEST} and the newest")
        print("chart: installing, upgrading and `helm test` are not tried, because there is no cluster")
    if not helm:
        print("chart: helm is missing (`make helm`): renderings are compared by hash, and nothing is rendered")
    return bool(faults)


def find_helm() -> str | None:
    return shutil.which("helm", path=os.pathsep.join([os.environ["PATH"], str(ROOT / "build/helm/bin")]))


def cases() -> Iterator[Path]:
    """The values of each rendering."""
    yield from sorted((GOLDEN / "values").glob("*.yaml"))


def write(helm: str | None) -> int:
    PAGE.write_text(page_with(values_table()))
    if helm is None:
        print("chart: helm is missing, see `make helm`")
        return 1
    for case in cases():
        (GOLDEN / case.name).write_text(rendered(helm, case))
    STAMP.write_text(fingerprint() + "\n")
    return 0


def rendered(helm: str, values: Path) -> str:
    command = [helm, "template", "dragoman", str(CHART), "--namespace", "gateway", *CLUSTER, "--values", str(values)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"chart: {values.name} cannot be rendered: {done.stderr}")
    # Versions of Helm differ in the empty lines between objects.
    return re.sub(r"[ ]+$", "", re.sub(r"\n{2,}(---\n|$)", r"\n\1", done.stdout), flags=re.MULTILINE)


def fingerprint() -> str:
    """A hash of what the renderings are made of."""
    digest = hashlib.sha256()
    sources = [CHART / "Chart.yaml", CHART / "values.yaml", *(CHART / "templates").rglob("*"), *cases()]
    for path in sorted(path for path in sources if path.is_file()):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def stale_renderings(helm: str | None) -> Iterator[str]:
    if STAMP.read_text().strip() != fingerprint():
        yield f"tests/deploy/golden is out of date: {RENEW}, and look at the difference"
    for case in cases() if helm else ():
        if (GOLDEN / case.name).read_text() != rendered(helm or "", case):
            yield f"tests/deploy/golden/{case.name} is not what helm renders: {RENEW}"


def versions() -> Iterator[str]:
    chart = (CHART / "Chart.yaml").read_text()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for line in (f"version: {version}", f'appVersion: "{version}"'):
        if f"\n{line}\n" not in chart:
            yield f"Chart.yaml should say {line}, as pyproject.toml does"


def unsound_objects() -> Iterator[str]:
    """Objects that a cluster would refuse: Kubernetes' own by its schemas, others by those in golden/crds."""
    paths = [GOLDEN / case.name for case in cases()]
    crds = {path.stem: path for path in (GOLDEN / "crds").glob("*.json")}
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, list[str]] = {}
        for path, line in zip(paths, documents_in(*paths), strict=True):
            for number, document in enumerate(json.loads(line)):
                file = Path(folder) / f"{path.stem}-{number}-{document['kind']}.json"
                file.write_text(json.dumps(document))
                files.setdefault(document["kind"] if document["kind"] in crds else "", []).append(str(file))
        kubernetes = [str(TOOLS / "kubernetes-validate"), "--strict", "--quiet", "--no-warn"]
        own = files.pop("")
        for version in ([], ["--kubernetes-version", OLDEST]):
            yield from failing([*kubernetes, *version, *own])
        for kind, found in files.items():
            yield from failing([str(TOOLS / "check-jsonschema"), "--schemafile", str(crds[kind]), *found])


def documents_in(*paths: Path) -> list[str]:
    """The documents of each YAML file, as a list in JSON. The parser lives in .tools."""
    command = [str(TOOLS / "python"), "-c", READ, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def lint(helm: str) -> Iterator[str]:
    for case in cases():
        yield from failing([helm, "lint", "--strict", "--quiet", *CLUSTER, str(CHART), "--values", str(case)])


def failing(command: list[str]) -> Iterator[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        yield f"{Path(command[0]).name} fails\n{done.stdout}{done.stderr}"


def stale_page() -> Iterator[str]:
    if PAGE.read_text() != page_with(values_table()):
        yield f"the table in docs/kubernetes.md is out of date: {RENEW}"


def page_with(table: str) -> str:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + table + END + rest.partition(END)[2]


def values_table() -> str:
    """A row for each value of values.schema.json, with the default that values.yaml gives it."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    (values,) = documents_in(CHART / "values.yaml")
    defaults = json.loads(values)[0]
    return "| value | default | |\n|---|---|---|\n" + "".join(rows(schema, defaults, ()))


def rows(schema: Mapping[str, Any], defaults: Any, path: tuple[str, ...]) -> Iterator[str]:
    for name, value in schema["properties"].items():
        default = defaults.get(name) if isinstance(defaults, dict) else None
        if "properties" in value and name != "settings":
            yield from rows(value, default, (*path, name))
        elif name != "global":
            shown = "" if default is None or default == "" else f"`{json.dumps(default)}`"
            yield f"| `{'.'.join((*path, name))}` | {shown} | {value['description']} |\n"


if __name__ == "__main__":
    sys.exit(main())
