"""Generates code from the schema (`proto.py generate`), or checks schema and generated code (`proto.py check`).

It runs under .tools/bin/python, next to buf and the plugins that buf.gen.yaml names. Languages other than Python are
generated and checked where their generator is installed, and it says which ones it left out. `proto.py drift FOLDER`
checks the generated code of one client, for example clients/go.
"""

import filecmp
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
CLIENT = "clients/python"
API = "proto/dragoman/v1"
PUBLISHED = "version: v2\nmodules: [{path: proto}, {path: third_party/googleapis}]\n"
# Breaks that were decided on before the first release: what the published files say, and what they may say now.
ACCEPTED = (
    ("bytes token_bytes = 3;", "bytes bytes = 3;"),  # Java had two methods getTokenBytes()
    # Numbers that were kept free for what has them now.
    ("reserved 4, 8 to 11, 15;", "reserved 4, 8, 10, 15;"),
    ("reserved 8, 10;", "reserved 8;"),
    ("reserved 7 to 9;", "reserved 7;"),
    ("reserved 13 to 15;", ""),
    ("a limit of tokens per time here.\n  reserved 14;", ""),
    ("planned cache_write_tokens (5) and cost_nano_usd (9)\n  // here.\n  reserved 5, 9;", ""),
    ("planned cache_write_tokens here.\n  reserved 5;", ""),
    ("planned blob (2) and file (3) here.\n  reserved 2, 3;", ""),
)
GOOGLEAPIS = ROOT / "third_party/googleapis"
GOOGLE = (
    *(f"google/api/{name}.proto" for name in ("annotations", "client", "field_behavior", "http", "launch_stage")),
    *(f"google/rpc/{name}.proto" for name in ("code", "error_details", "status")),
    "google/longrunning/operations.proto",
    "google/type/date.proto",
)


class Language(NamedTuple):
    """A client whose generated code is committed."""

    folder: str  # of the generated code, and of nothing else
    template: str
    generator: str
    installer: str  # the command that installs the generator


LANGUAGES = (
    Language(
        folder="clients/go/dragoman",
        template="clients/go/buf.gen.yaml",
        generator="build/go/bin/protoc-gen-go-grpc",
        installer="make go",
    ),
    Language(
        folder="clients/rust/src/gen",
        template="clients/rust/buf.gen.yaml",
        generator="build/rust/bin/protoc-gen-tonic",
        installer="make rust",
    ),
    Language(
        folder="clients/typescript/src/gen",
        template="clients/typescript/buf.gen.yaml",
        generator="clients/typescript/node_modules/.bin/protoc-gen-es",
        installer="make typescript",
    ),
)


def main() -> None:
    os.chdir(ROOT)
    if sys.argv[1:] == ["generate"]:
        copy_google_protos(GOOGLEAPIS)
        generate(ROOT)
        for language in installed():
            buf("generate", "--template", language.template)
    elif sys.argv[1:] == ["check"]:
        buf("lint")
        buf("format", "--diff", "--exit-code", "proto")
        buf("format", "--diff", "--exit-code", "service/proto")
        check_google_protos()
        check_drift()
        for language in installed():
            check_drift_of(language)
        check_breaking()
    elif len(sys.argv) == 3 and sys.argv[1] == "drift":
        check_drift_of(next(language for language in LANGUAGES if language.folder.startswith(sys.argv[2])))
    else:
        sys.exit(__doc__)


def copy_google_protos(folder: Path) -> None:
    """Copies the protos of Google's that ours import, with their license, from the wheel that requirements/ pins.

    The wheel has operations.proto under another name than the one that its Python module registers.
    """
    shutil.rmtree(folder, ignore_errors=True)
    files = {str(file): file for file in importlib.metadata.files("googleapis-common-protos") or ()}
    for name in GOOGLE:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(files[name.replace("operations.proto", "operations_proto.proto")].locate()), target)
    license_file = next(file for name, file in files.items() if name.endswith("LICENSE"))
    shutil.copyfile(str(license_file.locate()), folder / "LICENSE")


def check_google_protos() -> None:
    """Exits with status 1 if third_party/googleapis differs from the wheel."""
    fresh = BUILD / "googleapis"
    copy_google_protos(fresh)
    names = {str(file.relative_to(folder)) for folder in (fresh, GOOGLEAPIS) for file in folder.rglob("*.*")}
    same, _, _ = filecmp.cmpfiles(fresh, GOOGLEAPIS, [*names, "LICENSE"], shallow=False)
    if differing := sorted({*names, "LICENSE"}.difference(same)):
        sys.exit(
            "third_party/googleapis differs from its wheel. Run `make proto` and commit:\n  " + "\n  ".join(differing)
        )


def generate(root: Path) -> None:
    """Writes clients/python/dragoman/**/*_pb2* under `root`, replacing existing ones."""
    client = root / CLIENT
    for file in generated(client):
        file.unlink()
    client.mkdir(parents=True, exist_ok=True)
    buf("generate", "--output", str(root))
    for stub in client.rglob("*_pb2_grpc.pyi"):
        if not stub.with_suffix(".py").exists():  # the generator writes empty stubs for files without a service
            stub.unlink()


def generated(client: Path) -> Iterator[Path]:
    """The generated files in a client's folder."""
    yield from (file for file in (client / "dragoman").rglob("*_pb2*") if file.suffix in {".py", ".pyi"})


def check_drift() -> None:
    """Exits with status 1 if the committed code differs from what the schema generates."""
    fresh, committed = BUILD / "drift" / CLIENT, ROOT / CLIENT
    generate(BUILD / "drift")
    names = {str(file.relative_to(client)) for client in (fresh, committed) for file in generated(client)}
    compare(fresh, committed, names)


def installed() -> Iterator[Language]:
    """The languages whose generator is installed; names the others."""
    for language in LANGUAGES:
        if Path(language.generator).exists():
            yield language
        else:
            print(f"{language.folder}: left out, because its generator is missing (`{language.installer}`)", flush=True)


def check_drift_of(language: Language) -> None:
    """Exits with status 1 if a language's committed code differs from what the schema generates."""
    fresh, committed = BUILD / "drift" / language.folder, ROOT / language.folder
    shutil.rmtree(fresh, ignore_errors=True)  # files whose source is gone would stay
    buf("generate", "--template", language.template, "--output", str(BUILD / "drift"))
    names = {
        str(file.relative_to(folder)) for folder in (fresh, committed) for file in folder.rglob("*") if file.is_file()
    }
    compare(fresh, committed, names)


def compare(fresh: Path, committed: Path, names: set[str]) -> None:
    """Exits with status 1 if a file is missing in one of the folders, or not the same in both."""
    same, _, _ = filecmp.cmpfiles(fresh, committed, names, shallow=False)
    if differing := sorted(names.difference(same)):
        sys.exit("Generated code differs from the schema. Run `make proto` and commit:\n  " + "\n  ".join(differing))
    print(f"{committed.relative_to(ROOT)}: {len(names)} generated files match the schema", flush=True)


def check_breaking() -> None:
    """Exits with status 1 if the API breaks callers of the API on the default branch."""
    commit = published_commit()
    if commit is None or not git("ls-tree", "--name-only", commit, API):
        print("No published schema to compare with", flush=True)
        return
    before = BUILD / "published"
    shutil.rmtree(before, ignore_errors=True)
    before.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit, API], stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x", "-C", str(before)], input=archive.stdout, check=True)
    for file in (before / API).glob("*.proto"):
        for old, new in ACCEPTED:
            file.write_text(file.read_text().replace(old, new))
    shutil.copytree(GOOGLEAPIS, before / GOOGLEAPIS.relative_to(ROOT))
    (before / "buf.yaml").write_text(PUBLISHED)
    for folder, image in ((before, "before"), (ROOT, "now")):
        buf("build", str(folder), "--path", str(folder / API), "--output", str(BUILD / f"{image}.binpb"))
    buf("breaking", str(BUILD / "now.binpb"), "--against", str(BUILD / "before.binpb"))
    print(f"The schema is compatible with that of {commit[:12]}", flush=True)


def published_commit() -> str | None:
    """The last commit of the default branch, or its parent if that commit is checked out and the schema unchanged."""
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
    """The output of git, or an empty text if it fails, for example because there is no repository or commit."""
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


if __name__ == "__main__":
    main()
