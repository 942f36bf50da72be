"""Whoever clones the repository can use the schema at once, with buf and with plain protoc, before any `make`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools" / "bin"
PROTOC = (str(TOOLS / "python"), "-m", "grpc_tools.protoc")
THEIRS = """\
version: v2
inputs:
  - directory: proto
plugins:
  - protoc_builtin: python
    protoc_path: [{protoc}]
    out: generated
"""
SERVICES = tuple(f"dragoman/v1/{name}_service.proto" for name in ("admin", "completion", "limit", "model", "usage"))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of what is committed."""
    folder = tmp_path_factory.mktemp("strangers") / "dragoman"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), folder], check=True)
    return folder


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*.*") if file.is_file()}


@pytest.mark.parametrize("command", ["build", "lint"])
def test_buf_needs_nothing_more(clone: Path, command: str) -> None:
    run(clone, TOOLS / "buf", command)


def test_buf_generates_our_messages_alone(clone: Path) -> None:
    protoc = ", ".join(PROTOC)
    (clone / "theirs.yaml").write_text(THEIRS.format(protoc=protoc))
    run(clone, TOOLS / "buf", "generate", "--template", "theirs.yaml")
    names = {path.stem for path in (clone / "proto/dragoman/v1").glob("*.proto")}

    assert files_below(clone / "generated") == {f"dragoman/v1/{name}_pb2.py" for name in names}


def test_buf_exports_the_schema_with_what_it_imports(clone: Path, tmp_path: Path) -> None:
    run(clone, TOOLS / "buf", "export", "proto", "--output", tmp_path / "exported")
    exported = files_below(tmp_path / "exported")

    assert {*SERVICES, "google/longrunning/operations.proto", "google/rpc/status.proto"} <= exported
    assert not [name for name in exported if "dialect" in name]


def test_plain_protoc_needs_two_folders(clone: Path, tmp_path: Path) -> None:
    includes = ("-I", "proto", "-I", "third_party/googleapis")
    protos = [str(path.relative_to(clone)) for path in (clone / "proto").rglob("*.proto")]
    run(clone, *PROTOC, *includes, f"--python_out={tmp_path}", *protos)

    assert len(files_below(tmp_path)) == len(protos)


def test_the_services_lead_to_every_message(clone: Path, tmp_path: Path) -> None:
    run(clone, TOOLS / "buf", "build", "proto", "--output", tmp_path / "schema.binpb")
    schema = FileDescriptorSet.FromString((tmp_path / "schema.binpb").read_bytes())
    imports = {file.name: list(file.dependency) for file in schema.file}
    reached, waiting = set(), list(SERVICES)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting += set(imports[name]) - reached

    assert {name for name in imports if name.startswith("dragoman/")} <= reached
