"""Builds the extension against the system's nghttp2, which pkg-config finds.

`DRAGOMAN_HTTP2_CFLAGS` adds options of the compiler and linker, for builds with sanitizers.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup

OLDEST = "1.52"  # the first with priorities of RFC 9218, without which one stream can starve the others
OPTIONS = ["-std=c11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra"]
HINT = """\
dragoman-http2 is built on nghttp2 {oldest} or newer, which pkg-config did not find:
  Debian, Ubuntu   apt install gcc libc6-dev libnghttp2-dev pkg-config
  Fedora           dnf install gcc libnghttp2-devel pkgconf
  macOS            brew install libnghttp2 pkgconf"""


def flags(*options: str) -> list[str]:
    """What pkg-config says of nghttp2, or the end of the build with a hint."""
    command = ["pkg-config", *options, f"libnghttp2 >= {OLDEST}"]
    try:
        found = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        sys.exit(HINT.format(oldest=OLDEST))
    return shlex.split(found.stdout)


extra = shlex.split(os.environ.get("DRAGOMAN_HTTP2_CFLAGS", ""))
here = Path(__file__).parent
setup(
    ext_modules=[
        Extension(
            "dragoman_http2._session",
            sources=sorted(str(path.relative_to(here)) for path in here.glob("csrc/*.c")),
            depends=[str(path.relative_to(here)) for path in here.glob("csrc/*.h")],
            py_limited_api=True,
            extra_compile_args=[*OPTIONS, *flags("--cflags"), *extra],
            extra_link_args=[*flags("--libs"), *extra],
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
