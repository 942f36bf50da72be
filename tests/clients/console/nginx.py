"""An nginx that serves something below a path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nginx_server import nginx

SERVER = """
    server {{
        listen 127.0.0.1:{port};
        location /dragoman/ {{
            proxy_pass http://{upstream}/;
            proxy_http_version 1.1;
        }}
    }}
"""


@asynccontextmanager
async def below_a_path(folder: Path, upstream: str) -> AsyncIterator[str]:
    """An nginx that serves `upstream` below /dragoman/."""
    async with nginx(folder, lambda port: SERVER.format(port=port, upstream=upstream)) as port:
        yield f"http://127.0.0.1:{port}/dragoman/console"
