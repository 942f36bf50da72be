"""Prints figures of the code's structure, and fails if one exceeds its limit: `house.py [ROOT]`.

`house.py --tree` prints the folders of the service with their modules, as ARCHITECTURE.md shows them.

A room is a folder. Generated files do not count, and `__init__.py` does not count as a module of its folder.
"""

from __future__ import annotations

import ast
import statistics
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOMS = ("service/dragoman_service", "clients/python/dragoman", "scripts", "bench")
CODE = (*ROOMS, "tests", "service/http2/src", "service/http2/tests")
C_CODE = "service/http2/csrc"
MOST_MODULES = 12  # in a folder
MOST_ALIKE = 2  # siblings whose names start with the same word
TREE_INDENT = 24  # columns before the modules of a folder
LONGEST_FILE, LONGEST_FUNCTION = 300, 40  # lines; a function's lines without signature and docstring


def main(root: Path) -> int:
    faults: list[str] = []
    for figures in (modules_in_folders, words_of_siblings, lines_of_files, lines_of_functions, imports):
        faults += figures(root)
    for fault in faults:
        print(f"limit exceeded: {fault}", file=sys.stderr)
    return 1 if faults else 0


def tree(folder: Path, depth: int = 0) -> Iterator[str]:
    """The folder and those below it, a paragraph each: its name, then its modules."""
    names = " ".join(sorted(path.stem for path in modules(folder)))
    beginning = f"{'  ' * depth + folder.name + '/':<{TREE_INDENT - 1}} "
    yield textwrap.fill(names or "-", 100, initial_indent=beginning, subsequent_indent=" " * TREE_INDENT)
    for below in sorted(folders_below(folder)):
        yield from tree(below, depth + 1)


def modules_in_folders(root: Path) -> Iterator[str]:
    folders = {folder: len(modules(folder)) for folder in folders_in(root)}
    counts = [count for count in folders.values() if count]
    row("modules in a folder", f"mean {statistics.mean(counts):.1f}, most {max(counts)} (limit {MOST_MODULES})")
    for folder, count in folders.items():
        if count > MOST_MODULES:
            yield f"{folder.relative_to(root)} has {count} modules; the limit is {MOST_MODULES}"


def words_of_siblings(root: Path) -> Iterator[str]:
    most = 0
    for folder in folders_in(root):
        names = {path.stem for path in modules(folder)} | {path.name for path in folders_below(folder)}
        words = Counter(name.partition("_")[0] for name in names)
        most = max(most, *words.values(), 0)
        for word, count in words.items():
            if count > MOST_ALIKE:
                yield f"{folder.relative_to(root)} has {count} names that start with {word!r}: make that a folder"
    row("siblings that start with one word", f"most {most} (limit {MOST_ALIKE})")


def lines_of_files(root: Path) -> Iterator[str]:
    found = [*files(root), *sorted((root / C_CODE).glob("*.[ch]"))]
    lengths = {path: len(path.read_text().splitlines()) for path in found}
    row("lines of a file", f"{spread(list(lengths.values()))} (limit {LONGEST_FILE})")
    for path, lines in lengths.items():
        if lines > LONGEST_FILE:
            yield f"{path.relative_to(root)} has {lines} lines; the limit is {LONGEST_FILE}"


def lines_of_functions(root: Path) -> Iterator[str]:
    lengths = {
        f"{path.relative_to(root)}:{node.lineno} {node.name}": length(node)
        for path in files(root)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    row("lines of a function", f"{spread(list(lengths.values()))} (limit {LONGEST_FUNCTION})")
    for name, lines in lengths.items():
        if lines > LONGEST_FUNCTION:
            yield f"{name} has {lines} lines; the limit is {LONGEST_FUNCTION}"


def imports(root: Path) -> Iterator[str]:
    graph = import_graph(root / ROOMS[0])
    rooms = {module: module if not parent(module) else parent(module) for module in graph}
    arrows = {(rooms[a], rooms[b]) for a, found in graph.items() for b in found if rooms[a] != rooms[b]}
    circle = circle_in(graph)
    row("rooms of the service", f"{len(set(rooms.values()))}, {len(arrows)} imports between them")
    row("circles of modules", "none" if circle is None else "at least one")
    if circle is not None:
        yield "modules import each other in a circle: " + " -> ".join(circle)


def import_graph(package: Path) -> Mapping[str, set[str]]:
    """A map from each module of the package to those it imports, as dotted paths below the package."""
    paths = {dotted(path, package): path for path in package.rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for module, path in paths.items():
        names = {name for node in ast.walk(ast.parse(path.read_text())) for name in imported(node, package.name)}
        graph[module] = {name if name in paths else parent(name) for name in names} - {module}
    return graph


def imported(node: ast.AST, package: str) -> Iterator[str]:
    """The names that a statement imports from the package: modules, or names in modules."""
    if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == package:
        inside = (node.module or "").partition(".")[2]
        yield from (f"{inside}.{alias.name}".strip(".") for alias in node.names)


def circle_in(graph: Mapping[str, set[str]]) -> Sequence[str] | None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(module) for module in reversed(error.args[1])]
    return None


def parent(module: str) -> str:
    return module.rpartition(".")[0]


def dotted(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its signature and docstring."""
    first = function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]
    return (function.end_lineno or 0) - first.lineno + 1


def files(root: Path) -> Iterator[Path]:
    for folder in CODE:
        yield from (path for path in sorted((root / folder).rglob("*.py")) if "_pb2" not in path.name)


def folders_in(root: Path) -> Iterator[Path]:
    for room in ROOMS:
        yield root / room
        yield from (path for path in sorted((root / room).rglob("*")) if path.is_dir() and is_room(path))


def folders_below(folder: Path) -> Sequence[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and is_room(path)]


def is_room(folder: Path) -> bool:
    return folder.name != "__pycache__" and any(folder.rglob("*.py"))


def modules(folder: Path) -> Sequence[Path]:
    return [path for path in folder.glob("*.py") if path.name != "__init__.py" and "_pb2" not in path.name]


def spread(lengths: Sequence[int]) -> str:
    tenths = statistics.quantiles(lengths, n=10, method="inclusive")
    return f"median {statistics.median(lengths):.0f}, p90 {tenths[-1]:.0f}, longest {max(lengths)}"


def row(name: str, value: str) -> None:
    print(f"{name:<36}{value}")


if __name__ == "__main__":
    here = Path(__file__).resolve().parent.parent
    if sys.argv[1:] == ["--tree"]:
        print("\n".join(tree(here / ROOMS[0])))
        sys.exit()
    sys.exit(main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else here))
