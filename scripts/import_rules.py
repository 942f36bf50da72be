"""The table of rooms in ARCHITECTURE.md as a contract of import-linter: a room imports only what its row allows.

A row names a room by its path below the package, as in `engine/` or `app.py`. `V` stands for any one folder, so that
`dialects/V/` is a rule for every vendor and `dialects/V` in the last column is the dialect of the same vendor. Rows of
deeper folders go before rows of the folders around them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

_ROW = re.compile(r"^\| `(?P<first>[\w/.]+)`(?P<others>(?:, `[\w/.]+`)*) \|.*\|(?P<allowed>[^|]*)\|$", re.MULTILINE)
_NAME = re.compile(r"`([\w/.]+)`")


@dataclass(frozen=True, slots=True)
class Room:
    """One room: the pattern of its modules, and what they may import, as dotted paths with `V` for a vendor."""

    path: str
    allowed: tuple[str, ...]

    def vendor(self, module: str) -> str | None:
        """The folder that stands for `V` if the module is in this room ("" if the path has no `V`), else None."""
        pattern = re.escape(self.path).replace("V", r"(?P<V>\w+)")
        found = re.match(rf"{pattern}(?:\.|$)", module)
        return None if found is None else found.groupdict().get("V", "")

    def allows(self, module: str, vendor: str) -> bool:
        """Whether a module of this room may import `module`."""
        names = (name.replace("V", vendor) for name in (self.path, *self.allowed))
        return any(module == name or module.startswith(f"{name}.") for name in names)


def rooms_of(text: str) -> list[Room]:
    """The rooms of the table in a Markdown text, the longest paths first."""
    rooms = []
    for row in _ROW.finditer(text):
        allowed = tuple(_dotted(name) for name in _NAME.findall(row["allowed"]))
        paths = [row["first"], *_NAME.findall(row["others"])]
        rooms += [Room(_dotted(path), allowed) for path in paths]
    return sorted(rooms, key=lambda room: (-room.path.count("."), "V" in room.path))


def _dotted(path: str) -> str:
    return path.removesuffix(".py").strip("/").replace("/", ".")


class MayImport(Contract):
    """Fields: `package`, whose modules the table is about, and `table`, the Markdown file that holds it."""

    type_name = "may_import"

    package = fields.StringField()
    table = fields.StringField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        prefix = f"{self.package}."
        rooms = rooms_of(Path(str(self.table)).read_text())
        broken = []
        for importer in sorted(module for module in graph.modules if module.startswith(prefix)):
            name = importer.removeprefix(prefix)
            found = next(((room, folder) for room in rooms if (folder := room.vendor(name)) is not None), None)
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                if not imported.startswith(prefix):
                    continue
                if found is None:
                    broken.append(f"{importer} -> {imported} (the importer is in no room)")
                elif not found[0].allows(imported.removeprefix(prefix), found[1]):
                    broken.append(f"{importer} -> {imported}")
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    def render_broken_contract(self, check: ContractCheck) -> None:
        output.print_error(f"The table in {self.table} does not allow:", bold=True)
        for line in check.metadata["broken"]:
            output.print_error(f"- {line}", bold=False)
