"""Each rule about the structure of the code catches a violation that is planted in a copy of the checkout."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = "service/dragoman_service"
COPIED = ("ARCHITECTURE.md", "pyproject.toml", SERVICE, "clients/python/dragoman", "scripts", "bench", "tests")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
LONG_FUNCTION = "def long() -> None:\n" + "    print()\n" * 41

Check = Callable[..., str]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that the rules are about."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture
def plant(checkout: Path) -> Iterator[Callable[[str, str], None]]:
    """Adds lines to a file of the copy, which may be new; takes them out again after the test."""
    before: dict[Path, str | None] = {}

    def add(name: str, lines: str) -> None:
        path = checkout / name
        text = path.read_text() if path.exists() else None
        before.setdefault(path, text)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text or ''}\n{lines}\n")

    yield add
    for path, text in before.items():
        if text is None:
            path.unlink()
        else:
            path.write_text(text)


def run(checkout: Path, *command: str | Path) -> tuple[int, str]:
    paths = (checkout / "service", checkout / "clients/python")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "COLUMNS": "400"}
    ended = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    return ended.returncode, ended.stdout + ended.stderr


def lint(checkout: Path) -> tuple[int, str]:
    return run(checkout, LINT_IMPORTS, "--no-cache", "--no-logo")


def broken(report: str) -> str:
    """The lines of the contracts that are broken."""
    return "\n".join(line for line in report.splitlines() if " BROKEN" in line)


def measure(checkout: Path) -> tuple[int, str]:
    return run(checkout, sys.executable, checkout / "scripts/house.py")


def test_the_copy_without_a_violation_passes(checkout: Path) -> None:
    imports, figures = lint(checkout), measure(checkout)

    assert imports[0] == 0, imports[1]
    assert figures[0] == 0, figures[1]


IMPORTS = [  # the contract, the file that breaks it, the module that it imports
    ("Frontends do not know each other", "frontends/openai/models.py", "frontends.yandex.rest"),
    ("Frontends do not know each other", "frontends/native/models.py", "frontends.openai.models"),
    ("Providers do not know each other", "providers/yandex/upstream.py", "providers.echo.script"),
    ("Providers do not know each other", "providers/openai/models.py", "providers.local.tokenizer"),
    ("Dialects do not know each other", "dialects/yandex/client/request.py", "dialects.openai.client.json"),
    ("Dialects do not know each other", "dialects/openai/server/request.py", "dialects.yandex.names"),
    ("Server and client of a dialect", "dialects/openai/server/request.py", "dialects.openai.client.json"),
    ("Server and client of a dialect", "dialects/yandex/client/request.py", "dialects.yandex.server.response"),
    ("No circles at any depth", "operations/model/records.py", "operations.store.sqlite"),
    ("Rooms import downwards", "contract.py", "delivery"),
    ("Only the process and the tests", "frontends/native/models.py", "app"),
    ("Plugins are found by their entry points", "engine/engine.py", "providers.echo.provider"),
    ("A supervisor serves nothing", "process/supervisor.py", "app"),
    ("A worker is a single process", "process/supervisor.py", "process.worker"),
    ("Commands stand on options", "cli/terminal/output.py", "cli.options.durations"),
]


@pytest.mark.parametrize(("contract", "importer", "imported"), IMPORTS)
def test_a_forbidden_import_breaks_its_contract(
    checkout: Path, plant: Callable[[str, str], None], contract: str, importer: str, imported: str
) -> None:
    plant(f"{SERVICE}/{importer}", f"import dragoman_service.{imported}")

    status, report = lint(checkout)

    assert status != 0
    assert contract in broken(report)


PACKAGES = [
    ("A supervisor serves nothing", f"{SERVICE}/process/child.py", "grpc"),
    ("Dialects are pure", f"{SERVICE}/dialects/yandex/names.py", "asyncio"),
    ("What lies under the frontends", f"{SERVICE}/engine/relay.py", "grpc"),
    ("What lies under the frontends", f"{SERVICE}/operations/service.py", "aiohttp"),
    ("The client never imports the service", "clients/python/dragoman/stream.py", "dragoman_service.contract"),
]


@pytest.mark.parametrize(("contract", "importer", "imported"), PACKAGES)
def test_a_forbidden_package_breaks_its_contract(
    checkout: Path, plant: Callable[[str, str], None], contract: str, importer: str, imported: str
) -> None:
    plant(importer, f"import {imported}")

    status, report = lint(checkout)

    assert status != 0
    assert contract in broken(report)


def test_a_filter_that_imports_another_breaks_its_contract(checkout: Path, plant: Callable[[str, str], None]) -> None:
    plant(f"{SERVICE}/filters/planted.py", "import dragoman_service.filters.other")
    plant(f"{SERVICE}/filters/other.py", '"""A filter."""')

    _, report = lint(checkout)

    assert "Filters do not know each other" in broken(report)


def test_a_new_room_without_a_layer_is_noticed(checkout: Path, plant: Callable[[str, str], None]) -> None:
    plant(f"{SERVICE}/planted.py", '"""A room that nobody has placed."""')

    status, report = lint(checkout)

    assert status != 0
    assert "planted" in report


def test_every_row_of_the_table_is_held(checkout: Path, plant: Callable[[str, str], None]) -> None:
    sys.path.insert(0, str(ROOT))
    from scripts.import_rules import Room, rooms_of

    rooms = rooms_of((ROOT / "ARCHITECTURE.md").read_text())
    modules = [
        ".".join(path.relative_to(checkout / SERVICE).with_suffix("").parts)
        for path in sorted((checkout / SERVICE).rglob("*.py"))
        if path.name != "__init__.py" and "migrations" not in path.parts
    ]

    def room_of(module: str) -> Room:
        return next(room for room in rooms if room.vendor(module) is not None)

    planted = set()
    for room in rooms:
        inside = [module for module in modules if room_of(module) is room]
        importer = inside[0] if inside else room.path
        vendor = room.vendor(importer) or ""
        imported = next(module for module in modules if not room.allows(module, vendor))
        plant(f"{SERVICE}/{importer.replace('.', '/')}.py", f"import dragoman_service.{imported}")
        planted.add(f"- dragoman_service.{importer} -> dragoman_service.{imported}")

    status, report = lint(checkout)

    assert status != 0
    assert planted <= set(report.splitlines())


FIGURES = [  # what is planted, as files with their text, and what is said of it
    ({f"{SERVICE}/timing/{name}.py": "" for name in "abcdefghijklm"}, "service/dragoman_service/timing has 1"),
    ({f"{SERVICE}/timing/time_{name}.py": "" for name in "ab"}, "has 3 names that start with 'time'"),
    ({f"{SERVICE}/timing/time_a/b.py": "", f"{SERVICE}/timing/time_c.py": ""}, "has 3 names that start with 'time'"),
    ({"bench/planted.py": "x = 1\n" * 300}, "bench/planted.py has 30"),
    ({"tests/planted.py": LONG_FUNCTION}, "long has 41 lines"),
    (
        {
            f"{SERVICE}/engine/fold.py": "from dragoman_service.engine import relay",
            f"{SERVICE}/engine/relay.py": "from dragoman_service.engine import fold",
        },
        "in a circle",
    ),
]


@pytest.mark.parametrize(("files", "said"), FIGURES)
def test_a_figure_over_its_limit_is_named(
    checkout: Path, plant: Callable[[str, str], None], files: dict[str, str], said: str
) -> None:
    for name, lines in files.items():
        plant(name, lines)

    status, report = measure(checkout)

    assert status == 1
    assert said in report
