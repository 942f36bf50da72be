"""Generates Python from the schema (`proto.py generate`), or checks schema and generated code (`proto.py check`).

It runs under .tools/bin/python, beside buf and the plugins that buf.gen.yaml names.
"""

import filecmp
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
CLIENT = "clients/python"
GOOGLE = ("google/api/*.proto", "google/rpc/*.proto", "google/longrunning/*.proto")


def main() -> None:
    os.chdir(ROOT)
    lay_google_protos(BUILD / "googleapis")
    if sys.argv[1:] == ["generate"]:
        generate(ROOT)
    elif sys.argv[1:] == ["check"]:
        buf("lint")
        buf("format", "--diff", "--exit-code", "proto")
        check_drift()
        check_breaking()
    else:
        sys.exit(__doc__)


def lay_google_protos(folder: Path) -> None:
    """Puts google's own protos where buf.yaml looks for them, under the names that their Python registers."""
    shutil.rmtree(folder, ignore_errors=True)
    for file in importlib.metadata.files("googleapis-common-protos") or ():
        if any(file.match(pattern) for pattern in GOOGLE):
            target = folder / str(file).replace("operations_proto.proto", "operations.proto")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target)


def generate(root: Path) -> None:
    """Writes clients/python/dragoman/**/*_pb2* under `root`, in place of those that are there."""
    client = root / CLIENT
    for file in generated(client):
        file.unlink()
    client.mkdir(parents=True, exist_ok=True)
    buf("generate", "--output", str(root))
    for stub in client.rglob("*_pb2_grpc.pyi"):
        if not stub.with_suffix(".py").exists():  # the generator writes empty ones for files without a service
            stub.unlink()


def generated(client: Path) -> Iterator[Path]:
    """The generated files of a client's folder."""
    yield from (file for file in (client / "dragoman").rglob("*_pb2*") if file.suffix in {".py", ".pyi"})


def check_drift() -> None:
    """Ends with status 1 if the committed code is not what the schema generates."""
    fresh, committed = BUILD / "drift" / CLIENT, ROOT / CLIENT
    generate(BUILD / "drift")
    names = {str(file.relative_to(client)) for client in (fresh, committed) for file in generated(client)}
    same, _, _ = filecmp.cmpfiles(fresh, committed, names, shallow=False)
    if differing := sorted(names.difference(same)):
        sys.exit(
            "Generated code is not what the schema says. Run `make proto` and commit:\n  " + "\n  ".join(differing)
        )
    print(f"{len(names)} generated files are what the schema says", flush=True)


def check_breaking() -> None:
    """Ends with status 1 if the schema breaks callers of the one on the default branch."""
    commit = published_commit()
    if commit is None or git("ls-tree", "--name-only", commit, "buf.yaml", "proto").split() != ["buf.yaml", "proto"]:
        print("No published schema to compare with: nothing can break", flush=True)
        return
    before = BUILD / "published"
    shutil.rmtree(before, ignore_errors=True)
    before.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit, "buf.yaml", "proto"], stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x", "-C", str(before)], input=archive.stdout, check=True)
    lay_google_protos(before / "build/googleapis")
    buf("breaking", "--against", str(before))
    print(f"The schema breaks nothing against {commit[:12]}", flush=True)


def published_commit() -> str | None:
    """The last commit of the default branch that is not the very schema at hand."""
    for branch in ("origin/HEAD", "origin/main", "main", "HEAD"):
        if commit := git("rev-parse", "--verify", "--quiet", f"{branch}^{{commit}}"):
            break
    else:
        return None
    if commit == git("rev-parse", "HEAD") and not git("status", "--porcelain", "proto"):
        return git("rev-parse", "--verify", "--quiet", f"{commit}~1") or None
    return commit


def buf(*arguments: str) -> None:
    tools = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
    if (status := subprocess.run([tools / "buf", *arguments], env=environment).returncode) != 0:
        sys.exit(status)


def git(*arguments: str) -> str:
    """What git says, or nothing where it fails: no repository, no such commit."""
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


if __name__ == "__main__":
    main()
