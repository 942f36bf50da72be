"""The service over TLS, with a certificate of our own authority."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme
from seed_server import SETTINGS, SeedServer, serving

TLS = """
[server.tls]
certificate = "server.pem"
key = "server.key"
"""


class TlsServer:
    """A service that gRPC clients reach only if they trust `authority`, a file."""

    def __init__(self, server: SeedServer, authority: Path) -> None:
        self.server = server
        self.authority = authority

    @property
    def trusting(self) -> dict[str, str]:
        """The environment in which programs trust it."""
        return {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(self.authority)}


@contextmanager
def serving_tls(folder: Path, settings: str, seeds: str = SETTINGS) -> Iterator[TlsServer]:
    """The service, with `settings` beside those of `seed_server`, until the context ends."""
    authority, authority_file = trustme.CA(), folder / "authority.pem"
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(authority_file))
    certificate.private_key_pem.write_to_path(str(folder / "server.key"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    with serving(folder, f"{seeds}{TLS}{settings}") as server:
        yield TlsServer(server, authority_file)
