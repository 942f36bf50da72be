"""An nginx that serves something below a path."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

PATH = f"{os.environ['PATH']}:/usr/sbin"
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
    server {{
        listen 127.0.0.1:{port};
        location /dragoman/ {{
            proxy_pass http://{upstream}/;
            proxy_http_version 1.1;
        }}
    }}
}}
"""


@asynccontextmanager
async def below_a_path(folder: Path, upstream: str) -> AsyncIterator[str]:
    """An nginx that serves `upstream` below /dragoman/."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = NGINX.format(folder=folder, port=port, upstream=upstream)
    (folder / "nginx.conf").write_text(settings)
    command = (
        shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx",
        "-c",
        str(folder / "nginx.conf"),
    )
    process = await asyncio.create_subprocess_exec(*command, "-e", str(folder / "nginx.log"))
    try:
        async with asyncio.timeout(10), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"http://127.0.0.1:{port}/dragoman/livez"):
                        break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}/dragoman/console"
    finally:
        process.terminate()
        await process.wait()
