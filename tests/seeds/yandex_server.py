"""The service as Yandex Cloud's clients need it: TLS with our own certificate authority, and their model names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tls_server import TlsServer, serving_tls

MODELS = """
[models."yandexgpt*"]
targets = ["local/smollm2-135m-instruct"]
[models."slow"]
targets = ["slow/echo"]
[models."overloaded"]
targets = ["overloaded/echo"]
"""


class YandexServer(TlsServer):
    """The service at one address, as the vendor's programs find it."""

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the vendor's programs: the only change apart from the key."""
        return {"YC_API_ENDPOINT": self.server.grpc, **self.trusting}


@contextmanager
def serving_yandex(folder: Path) -> Iterator[YandexServer]:
    """The service, until the context ends."""
    with serving_tls(folder, MODELS) as served:
        yield YandexServer(served.server, served.authority)
