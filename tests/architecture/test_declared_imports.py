"""Service and client declare what they import, so that nothing is installed only because another package needs it."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
# The first name of a namespace package does not identify a distribution; the second one does.
NAMESPACES = {"google.protobuf": "protobuf", "google.rpc": "googleapis-common-protos"}
NAMESPACES |= {"google.longrunning": "googleapis-common-protos"}
NAMESPACES |= {f"opentelemetry.{name}": "opentelemetry-api" for name in ("context", "trace")}
NAMESPACES |= {
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry.sdk": "opentelemetry-sdk",
}
PROJECTS = {"service/dragoman_service": ROOT, "clients/python/dragoman": ROOT / "clients/python"}


def declared(project: Path) -> set[str]:
    table = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    extras = table.get("optional-dependencies", {}).values()
    asked = [*table["dependencies"], *(requirement for extra in extras for requirement in extra)]
    return {canonicalize_name(Requirement(requirement).name) for requirement in asked} | {table["name"]}


def imported(folder: Path) -> Iterator[str]:
    """The full names of the modules that are imported."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def distributions(module: str, known: dict[str, list[str]]) -> set[str]:
    first, _, rest = module.partition(".")
    if first in sys.stdlib_module_names or first.startswith("dragoman"):
        return set()
    namespaced = NAMESPACES.get(f"{first}.{rest.partition('.')[0]}")
    return {namespaced} if namespaced else {canonicalize_name(name) for name in known.get(first, [module])}


@pytest.mark.parametrize("folder", PROJECTS)
def test_every_import_is_a_declared_dependency(folder: str) -> None:
    known = dict(packages_distributions())
    needed = {name for module in imported(ROOT / folder) for name in distributions(module, known)}

    assert needed - declared(PROJECTS[folder]) == set()
