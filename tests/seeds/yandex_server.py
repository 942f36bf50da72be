"""The service as Yandex Cloud's clients need it: TLS with our own certificate authority, and their model names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from seed_server import SETTINGS, SeedServer, serving

MODELS = """
[server.tls]
certificate = "server.pem"
key = "server.key"
[models."yandexgpt*"]
targets = ["local/smollm2-135m-instruct"]
[models."slow"]
targets = ["slow/echo"]
[models."overloaded"]
targets = ["overloaded/echo"]
"""


class YandexServer:
    """A service that only clients that trust its authority can reach."""

    def __init__(self, server: SeedServer, authority: Path) -> None:
        self.server = server
        self.authority = authority

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the vendor's programs: the only change apart from the key."""
        return {"YC_API_ENDPOINT": self.server.grpc, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self.authority)}


@contextmanager
def serving_yandex(folder: Path) -> Iterator[YandexServer]:
    """The service, until the context ends."""
    authority, authority_file = trustme.CA(), folder / "authority.pem"
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(authority_file))
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    with serving(folder, f"{SETTINGS}{MODELS}") as server:
        yield YandexServer(server, authority_file)
