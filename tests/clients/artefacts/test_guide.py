"""The programs of docs/clients.md run in empty projects, with the client of each language from its artefact."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from installing import LIMIT, PROGRAMS, ROOT, run

PAGE = ROOT / "docs" / "clients.md"
PROGRAM_OF = {
    "python": "guide.py",
    "ts": "guide.mjs",
    "go": "guide.go",
    "java": "guide.java",
    "rust": "guide.rs",
}
CARGO = """
[package]
name = "guide"
version = "0.1.0"
edition = "2024"

[dependencies]
dragoman-client = {{ path = "{client}" }}
tokio = {{ version = "1", features = ["macros", "rt-multi-thread"] }}

[profile.dev]
debug = 0
"""
TEXTS = ["Count to five.", "operations Describe a lighthouse.", "Name three fruits."]


@pytest.fixture
def guide(secured, tmp_path):
    """Copies a program into an empty folder, with the values of the service in place of the page's."""

    def copy(name: str, to: str) -> Path:
        text = (PROGRAMS / name).read_text()
        for shown, real in (("completions.example.com:443", secured.target), ('"KEY"', f'"{secured.key}"')):
            assert shown in text
            text = text.replace(shown, real)
        (tmp_path / to).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / to).write_text(text.replace('"local"', '"echo"'))
        shutil.copy(secured.ca, tmp_path / "ca.pem")
        return tmp_path

    return copy


def check(said: str, error: str, last: str) -> None:
    plain = re.sub(r"\x1b\[\d*m", "", said)  # Maven resets the terminal's colors
    first, failure, operation, resumed, *rest = filter(None, plain.splitlines())

    assert [first, operation, resumed] == TEXTS
    assert failure == error
    assert rest == [last]


def test_python(guide, environment):
    folder = guide("guide.py", "guide.py")
    check(
        run(folder, environment("dragoman-") / "python", "-I", "guide.py"),
        "NOT_FOUND MODEL_NOT_FOUND 0 None",
        "finished",
    )


def test_typescript(guide, npm_project):
    folder = guide("guide.mjs", "guide.mjs")
    (folder / "node_modules").symlink_to(npm_project / "node_modules")
    check(run(folder, "node", "guide.mjs"), "NOT_FOUND MODEL_NOT_FOUND 0 undefined", "finished")


@pytest.mark.timeout(LIMIT)
def test_go(guide, dist, monkeypatch):
    folder = guide("guide.go", "main.go")
    (proxy,) = dist("go")
    # A module cache of its own: the machine's would keep the first module that had this version.
    known, others = run(folder, "go", "env", "GOMODCACHE", "GOPROXY").split()
    monkeypatch.setenv("GOMODCACHE", str(folder / "modules"))
    monkeypatch.setenv("GOPROXY", f"file://{proxy},file://{known}/cache/download,{others}")
    monkeypatch.setenv("GOFLAGS", "-modcacherw -trimpath")
    monkeypatch.setenv("GONOSUMDB", "*")
    run(folder, "go", "mod", "init", "example.com/guide")
    run(folder, "go", "mod", "tidy")
    check(run(folder, "go", "run", "."), "NotFound ERROR_REASON_MODEL_NOT_FOUND 0 0s", "true")


@pytest.mark.timeout(LIMIT)
def test_rust(guide, dist):
    folder = guide("guide.rs", "src/main.rs")
    (packed,) = dist("rust")
    with tarfile.open(packed) as crate:
        crate.extractall(folder, filter="data")
    (client,) = folder.glob("dragoman-client-*")
    (folder / "Cargo.toml").write_text(CARGO.format(client=client.name))
    shutil.copy(client / "Cargo.lock", folder)  # its versions have been compiled already
    target = ("--target-dir", ROOT / "build/rust/target")
    check(run(folder, "cargo", "run", "--quiet", *target), "NotFound ModelNotFound 0 None", "true")


@pytest.mark.timeout(LIMIT)
def test_java(guide, dist, tmp_path):
    folder = guide("guide.java", "src/main/java/Guide.java")
    (repository,) = dist("java")
    shutil.copy(PROGRAMS / "pom.xml", folder)
    known, modules = maven_repository(), tmp_path / "modules"
    # Links to what this machine has downloaded; its own repository would keep the first jar that had this version.
    shutil.copytree(
        known, modules, copy_function=os.link, ignore=lambda path, _: {"example"} if path.endswith("/com") else ()
    )
    options = (
        "--quiet",
        "--batch-mode",
        "-Dstyle.color=never",
        f"-Dmaven.repo.local={modules}",
        f"-Ddist=file://{repository}",
    )
    check(
        run(folder, "mvn", *options, "compile", "exec:java"),
        "NOT_FOUND ERROR_REASON_MODEL_NOT_FOUND 0 Optional.empty",
        "FINISHED",
    )


def maven_repository() -> Path:
    """Where the build of the client keeps its downloads, see the Makefile."""
    own = Path.home() / ".m2" / "repository"
    return own if os.access(own, os.W_OK) else ROOT / "build" / "m2"


@pytest.mark.parametrize("language", PROGRAM_OF)
def test_the_page_shows_lines_of_the_program(language: str) -> None:
    shown = "\n".join(re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL))
    lines = {line.strip() for line in (PROGRAMS / PROGRAM_OF[language]).read_text().splitlines()}

    assert shown
    assert [line for line in shown.splitlines() if line.strip() not in lines] == []


def test_each_language_has_a_program() -> None:
    assert {file.name for file in PROGRAMS.glob("guide.*")} == {*PROGRAM_OF.values()}
