"""An nginx in front of something, which tests start and end themselves."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from waiting import until

NGINX = """
daemon off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


@asynccontextmanager
async def nginx(folder: Path, server: Callable[[int], str]) -> AsyncIterator[int]:
    """The port of an nginx that listens there. `server` makes its block `server` for a port on loopback."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "nginx is missing (Debian: apt-get install nginx-light)"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, server=server(port)))
    command = (program, "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log"))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        await until(lambda: _listens(port), 10)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
