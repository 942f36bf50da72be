"""Each rule about the structure of the code catches a violation that is planted in a copy of the checkout."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = "service/dragoman_service"
COPIED = ("ARCHITECTURE.md", "pyproject.toml", SERVICE, "clients/python/dragoman", "scripts", "bench", "tests")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
LONG_FUNCTION = "def long() -> None:\n" + "    print()\n" * 41

Plant = Callable[[str, str], None]


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


@contextmanager
def planting(checkout: Path) -> Iterator[Plant]:
    """Yields what adds lines to a file of the copy, which may be new; takes them out again at the end."""
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


@pytest.fixture
def plant(checkout: Path) -> Iterator[Plant]:
    with planting(checkout) as add:
        yield add


def run(checkout: Path, *command: str | Path) -> tuple[int, str]:
    paths = (checkout / "service", checkout / "clients/python")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "COLUMNS": "400"}
    ended = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    return ended.returncode, ended.stdout + ended.stderr


def lint(checkout: Path) -> tuple[int, str]:
    return run(checkout, LINT_IMPORTS, "--no-cache", "--no-logo")


def test_the_copy_without_a_violation_passes(checkout: Path) -> None:
    status, report = lint(checkout)

    assert status == 0, report


IMPORTS = [  # the contract, the file that breaks it, the module that it imports
    ("Frontends do not know each other", "frontends/openai/models.py", "frontends.yandex.rest"),
    ("Frontends do not know each other", "frontends/methods/models.py", "frontends.openai.models"),
    ("Providers do not know each other", "providers/yandex/upstream.py", "providers.echo.script"),
    ("Providers do not know each other", "providers/openai/models.py", "providers.local.tokenizer"),
    ("Dialects do not know each other", "dialects/yandex/client/request.py", "dialects.openai.client.json"),
    ("Dialects do not know each other", "dialects/openai/server/request.py", "dialects.yandex.names"),
    ("Filters do not know each other", "filters/planted.py", "filters.metering"),
    ("Server and client of a dialect", "dialects/openai/server/errors.py", "dialects.openai.client.json"),
    ("Server and client of a dialect", "dialects/yandex/client/errors.py", "dialects.yandex.server.response"),
    ("Rooms import downwards", "contract.py", "delivery"),
    ("Operations import downwards", "operations/sql/schema.py", "operations.store.sqlite"),
    ("Only the process and the tests", "frontends/methods/completions.py", "app"),
    ("Plugins are found by their entry points", "engine/engine.py", "providers.echo.provider"),
    ("A supervisor serves nothing", "process/supervisor.py", "app"),
    ("A worker is a single process", "process/child.py", "process.pool"),
    ("Commands stand on options", "cli/terminal/output.py", "cli.options.durations"),
]
PACKAGES = [  # the contract, the file that breaks it, the package that it imports
    ("A supervisor serves nothing", f"{SERVICE}/process/child.py", "grpc"),
    ("Dialects are pure", f"{SERVICE}/dialects/yandex/names.py", "asyncio"),
    ("What lies under the frontends", f"{SERVICE}/engine/relay.py", "grpc"),
    ("What lies under the frontends", f"{SERVICE}/operations/service.py", "httptools"),
    ("The client never imports the service", "clients/python/dragoman/stream.py", "dragoman_service.contract"),
]
PLANTED = [(contract, f"{SERVICE}/{file}", f"dragoman_service.{imported}") for contract, file, imported in IMPORTS]
PLANTED += PACKAGES


@pytest.fixture(scope="module")
def sections(checkout: Path) -> dict[str, str]:
    """What is reported of each broken contract, by its name, after all forbidden imports were planted at once."""
    with planting(checkout) as plant:
        for _, file, imported in PLANTED:
            plant(file, f"import {imported}")
        _, report = lint(checkout)
    pieces = re.split(r"^(.+)\n-{3,}\n", report, flags=re.M)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


@pytest.mark.parametrize(("contract", "file", "imported"), PLANTED)
def test_a_forbidden_import_breaks_its_contract(
    sections: dict[str, str], contract: str, file: str, imported: str
) -> None:
    _, _, path = file.partition("/") if file.startswith("service") else file.partition("python/")
    importer = path.removesuffix(".py").replace("/", ".")

    (section,) = (text for name, text in sections.items() if name.startswith(contract))

    assert re.search(rf"{re.escape(importer)}\s*->\s*{re.escape(imported)}\b", section), section


def test_a_circle_of_folders_is_noticed(sections: dict[str, str]) -> None:
    assert "- .sql -> .store" in sections["No circles at any depth"]


def test_a_new_room_without_a_layer_is_noticed(checkout: Path, plant: Plant) -> None:
    plant(f"{SERVICE}/planted.py", '"""A room that nobody has placed."""')

    status, report = lint(checkout)

    assert status != 0
    assert "planted" in report


def test_every_row_of_the_table_is_held(checkout: Path, plant: Plant) -> None:
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


FIGURES = [  # what is planted, as files with their text, and what is reported of it
    ({f"{SERVICE}/timing/{name}.py": "" for name in "abcdefghijklm"}, "service/dragoman_service/timing has "),
    ({f"{SERVICE}/telemetry/log_{name}.py": "" for name in "ab"}, "has 3 names that start with 'log'"),
    ({f"{SERVICE}/engine/fold_a/b.py": "", f"{SERVICE}/engine/fold_c.py": ""}, "has 3 names that start with 'fold'"),
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


@pytest.fixture(scope="module")
def figures(checkout: Path) -> tuple[int, str]:
    """The status and the report of scripts/house.py after all files of FIGURES were planted at once."""
    with planting(checkout) as plant:
        for files, _ in FIGURES:
            for name, lines in files.items():
                plant(name, lines)
        return run(checkout, sys.executable, checkout / "scripts/house.py")


@pytest.mark.parametrize("reported", [reported for _, reported in FIGURES])
def test_a_figure_over_its_limit_is_named(figures: tuple[int, str], reported: str) -> None:
    status, report = figures

    assert status == 1
    assert reported in report
