"""Each artefact of a release is installed into an empty project and used there, away from the source tree."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

from installing import PROGRAMS, ROOT, TOOLS, run

REQUEST = '{"model": "echo", "messages": [{"role": "ROLE_USER", "parts": [{"text": "Hello!"}]}]}'
METHOD = "dragoman.v1.CompletionService/CreateCompletion"


def ask(folder: Path, target: str, schema: Path) -> str:
    """The answer to a request that needs no stubs but the schema."""
    plain = ("--http2-prior-knowledge", "--protocol", "grpc")
    return run(
        folder, TOOLS / "buf", "curl", "--schema", schema, *plain, "--data", REQUEST, f"http://{target}/{METHOD}"
    )


def test_the_wheel_of_the_client_has_the_schema(dist):
    wheel = next(file for file in dist("python") if file.name.startswith("dragoman-"))
    names = {Path(name).name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("dragoman/v1/")}

    assert {path.name for path in (ROOT / "proto/dragoman/v1").glob("*.proto")} <= names


def test_the_wheel_of_the_http2_session_brings_its_library_and_passes_its_tests(dist, tmp_path):
    (wheel,) = dist("http2")
    assert "-cp311-abi3-manylinux" in wheel.name
    assert any("libnghttp2" in name for name in zipfile.ZipFile(wheel).namelist())

    run(tmp_path, TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, "installed")
    to = ("--quiet", "--python", "installed", "--constraint", ROOT / "requirements" / "dev.lock")
    run(tmp_path, TOOLS / "uv", "pip", "install", *to, wheel, "grpcio", "h2", "hypothesis", "pytest-asyncio")
    shutil.copytree(ROOT / "service/http2/tests", tmp_path / "tests")
    shutil.copy(ROOT / "service/http2/README.md", tmp_path)
    tests = [f"tests/test_http2_{name}.py" for name in ("endings", "exchanges", "flow", "limits", "readme")]
    run(tmp_path, "installed/bin/python", "-m", "pytest", "-o", "asyncio_mode=auto", *tests)


def test_the_archive_of_protos_needs_nothing_else(dist, target, tmp_path):
    (archive,) = dist("protos")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    includes = ("-I", "proto", "-I", "third_party/googleapis")
    protos = [path.relative_to(folder) for path in folder.rglob("*.proto")]
    (folder / "generated").mkdir()
    run(folder, TOOLS / "python", "-m", "grpc_tools.protoc", *includes, "--python_out=generated", *protos)
    run(folder, TOOLS / "buf", "build")

    assert not list(folder.rglob("*dialect*"))
    assert '"text": "Hello!"' in ask(tmp_path, target, folder / "proto")


def test_the_descriptor_set_describes_the_whole_api(dist, target, tmp_path):
    (descriptors,) = dist("descriptors")
    methods = run(tmp_path, TOOLS / "buf", "curl", "--schema", descriptors, "--list-methods").split()

    assert {METHOD, "dragoman.v1.ModelService/ListModels", "google.longrunning.Operations/WaitOperation"} <= {*methods}
    assert '"text": "Hello!"' in ask(tmp_path, target, descriptors)


def test_the_same_sources_make_the_same_bytes(dist, tmp_path):
    again = tmp_path / "again"
    run(ROOT, ROOT / ".venv/bin/python", "scripts/dist.py", "--output", again, "protos", "descriptors")
    first = [*dist("protos"), *dist("descriptors")]

    assert [file.read_bytes() for file in first] == [(again / file.name).read_bytes() for file in first]


def test_the_npm_tarball_is_required_too(dist, target, npm_project):
    shutil.copy(PROGRAMS / "use.cjs", npm_project)

    assert run(npm_project, "node", "use.cjs", target) == "Hello from CommonJS!\n"
