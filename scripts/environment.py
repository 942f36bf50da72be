"""Creates a virtual environment and installs the packages of a lock file into it: `environment.py FOLDER SET`.

It needs only the standard library, and does nothing if the folder is up to date. It starts under any Python 3, so that
an old one gives a message instead of a syntax error, and re-executes itself under a newer one if the machine has it.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
SERVES = {"dev": ("dev", "runtime")}  # an installed set → the sets that it satisfies; default: itself
PROJECTS = {"runtime": ("clients/python", "."), "dev": ("clients/python", ".")}  # our own projects that a set includes
TOO_OLD = """\
Dragoman needs Python 3.11 or newer; {python} is {version}. Install one, then run the command again:
  Debian 12, Ubuntu 24.04, or newer   apt install python3 python3-venv
  others                              a Python from python.org, Homebrew, pyenv or uv
or name one that is not on the PATH: make PYTHON=/path/to/python3.13 ..."""
NO_VENV = """\
{python} cannot create virtual environments: its module {module!r} is missing. Install it, then run the command again:
  Debian, Ubuntu   apt install python3-venv
  others           use a Python from python.org, Homebrew or pyenv, which includes it"""
OWN = ("--quiet", "--no-deps", "--no-build-isolation", "--editable")
FAILED = """\
pip could not install {lock}; its output is above. Common causes:
  no network, or a proxy   set PIP_INDEX_URL, PIP_PROXY or pip.conf, as for any use of pip
  another platform         wheels are locked for Linux (glibc, x86-64 and aarch64) and macOS"""
EXTENSION = "service/http2"  # of the same sets as PROJECTS, where it can be built
NOT_BUILT = """\
dragoman-http2 is not built, so the service listens with grpcio, which is slower. It needs a C compiler, the headers of
Python and nghttp2, and pkg-config (Debian, Ubuntu: apt install gcc libc6-dev libnghttp2-dev pkg-config python3-dev)."""


def main() -> None:
    if sys.version_info < OLDEST:
        replace_interpreter()
    folder, name = Path(sys.argv[1]).resolve(), sys.argv[2]
    lock = ROOT / "requirements" / f"{name}.lock"
    stamp = folder / f".installed-{name}"
    if stamp.is_file() and stamp.read_text() == fingerprint(folder, name):
        return
    began = time.monotonic()
    python = make(folder)
    install(python, lock, folder)
    for project in PROJECTS.get(name, ()):
        pip(python, "install", *OWN, str(ROOT / project))
    if name in PROJECTS and not build_extension(python):
        print(NOT_BUILT, flush=True)
    for served in SERVES.get(name, (name,)):
        (folder / f".installed-{served}").write_text(fingerprint(folder, served))
    print(f"{folder.name} is ready ({time.monotonic() - began:.0f} s)", flush=True)


def replace_interpreter() -> None:
    """Re-executes this script under a newer Python of this machine, or exits and says what to install."""
    for name in ("python3.13", "python3.14", "python3.12", "python3.11"):
        found = shutil.which(name)
        if found and subprocess.run([found, "-c", "import ensurepip"], stderr=subprocess.DEVNULL).returncode == 0:
            os.execv(found, [found, *sys.argv])
    version = ".".join(str(part) for part in sys.version_info[:3])
    sys.exit(TOO_OLD.format(python=sys.executable, version=version))


def fingerprint(folder: Path, name: str) -> str:
    """A hash of everything that determines the content of the folder. Its path counts, because scripts contain it."""
    files = [f"requirements/{name}.lock", *(f"{project}/pyproject.toml" for project in PROJECTS.get(name, ()))]
    digest = hashlib.sha256(f"{folder} {sys.version_info[:2]}".encode())
    if name in PROJECTS:
        files += sorted(str(path.relative_to(ROOT)) for path in (ROOT / EXTENSION).glob("csrc/*"))
        files += [f"{EXTENSION}/pyproject.toml", f"{EXTENSION}/setup.py"]
        digest.update(toolchain().encode())
    for file in files:
        digest.update((ROOT / file).read_bytes())
    return digest.hexdigest()


def toolchain() -> str:
    """What decides whether the extension can be built, so that it is once its needs are installed."""
    headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    try:
        command = ["pkg-config", "--modversion", "libnghttp2"]
        library = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    except OSError:
        library = ""
    return f"{shutil.which('cc')} {headers} {library}"


def make(folder: Path) -> Path:
    """The interpreter of the environment, which is created again if it is missing, broken or of another Python."""
    python = folder / "bin" / "python"
    if not works(python):
        for module in ("venv", "ensurepip"):
            if not importable(module):
                sys.exit(NO_VENV.format(python=sys.executable, module=module))
        print(f"Creating {folder.name} with Python {sys.version.split()[0]}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    return python


def works(python: Path) -> bool:
    """Whether the interpreter runs, has pip, and is of this Python version."""
    program = "import pip, sys; print(sys.version_info[:2])"
    try:
        answer = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return answer.stdout.strip() == str(sys.version_info[:2])


def importable(module: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {module}"], stderr=subprocess.DEVNULL).returncode == 0


def install(python: Path, lock: Path, folder: Path) -> None:
    """Installs the lock file, with every hash checked, and prints a line for each large download."""
    total = sum(line[:1].isalnum() for line in lock.read_text().splitlines())
    print(f"Installing {total} packages into {folder.name}, each verified by its hash", flush=True)
    command = ["install", "--no-deps", "--require-hashes", "--progress-bar", "off", "--requirement", str(lock)]
    with subprocess.Popen(pip_command(python, *command), stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            shown = describe(line)
            if shown:
                print(shown, flush=True)
    if process.returncode != 0:
        sys.exit(FAILED.format(lock=lock.relative_to(ROOT)))


def describe(line: str) -> str:
    """The progress to print for a line of pip's output, or an empty text."""
    word, _, rest = line.strip().partition(" ")
    file, _, size = rest.partition(" ")
    if word == "Downloading" and size.endswith("MB)"):
        return "  downloading " + " ".join(file.split("-")[:2]) + " " + size
    return "  unpacking" if line.startswith("Installing collected") else ""


def build_extension(python: Path) -> bool:
    """Whether the extension could be built. The service does without it; why is in build/http2.log."""
    log = ROOT / "build" / "http2.log"
    log.parent.mkdir(exist_ok=True)
    command = pip_command(python, "install", *OWN, str(ROOT / EXTENSION))
    with log.open("w") as output:
        return subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode == 0


def pip(python: Path, *arguments: str) -> None:
    if subprocess.run(pip_command(python, *arguments)).returncode != 0:
        sys.exit(f"pip {' '.join(arguments)} failed; its output is above.")


def pip_command(python: Path, *arguments: str) -> "list[str]":
    return [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]


if __name__ == "__main__":
    main()
