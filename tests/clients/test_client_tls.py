"""TLS: a private CA, another server name, a client certificate."""

from __future__ import annotations

from pathlib import Path

import dragoman
import grpc
import pytest
import trustme
from dragoman import TLS
from either_client import CLIENTS, ask
from scripted_service import ScriptedService, serving

pytestmark = pytest.mark.parametrize("open_client", CLIENTS)
CA = trustme.CA()


def files(folder: Path, certificate: trustme.LeafCert) -> dict[str, Path]:
    key, chain, ca = folder / "key.pem", folder / "chain.pem", folder / "ca.pem"
    certificate.private_key_pem.write_to_path(key)
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    CA.cert_pem.write_to_path(ca)
    return {"ca": ca, "certificate": chain, "key": key}


def credentials(name: str, clients: trustme.CA | None = None) -> grpc.ServerCredentials:
    leaf = CA.issue_cert(name)
    pair = (leaf.private_key_pem.bytes(), b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    return grpc.ssl_server_credentials([pair], clients and clients.cert_pem.bytes(), clients is not None)


async def is_served(client: dragoman.Client | dragoman.AsyncClient) -> bool:
    """Whether the service accepts a call."""
    try:
        return bool((await ask(client.start, "Hello")).name)
    finally:
        await ask(client.close)


async def test_a_private_ca_is_trusted(open_client, tmp_path):
    ca = files(tmp_path, CA.issue_cert("localhost"))["ca"]
    service = ScriptedService()
    async with serving(service, "localhost:0", credentials("localhost")) as address:
        assert await is_served(open_client(address, tls=TLS(ca=ca), api_key="K"))
    assert service.seen[0].metadata["authorization"] == "Bearer K"


async def test_the_certificate_may_have_another_name(open_client, tmp_path):
    ca = files(tmp_path, CA.issue_cert("localhost"))["ca"]
    async with serving(ScriptedService(), "localhost:0", credentials("completions.test")) as address:
        assert await is_served(open_client(address, tls=TLS(ca=ca, server_name="completions.test")))
        with pytest.raises(dragoman.UnavailableError):
            await is_served(open_client(address, tls=TLS(ca=ca)))


async def test_a_client_presents_its_certificate(open_client, tmp_path):
    paths = files(tmp_path, CA.issue_cert("client.test"))
    async with serving(ScriptedService(), "localhost:0", credentials("localhost", CA)) as address:
        assert await is_served(open_client(address, tls=TLS(**paths)))
        with pytest.raises(dragoman.UnavailableError):
            await is_served(open_client(address, tls=TLS(ca=paths["ca"])))


async def test_an_unknown_ca_is_not_trusted(open_client):
    async with serving(ScriptedService(), "localhost:0", credentials("localhost")) as address:
        with pytest.raises(dragoman.UnavailableError, match="both sides use TLS or neither"):
            await is_served(open_client(address, tls=True))


async def test_a_certificate_without_its_key_is_refused(open_client, tmp_path):
    with pytest.raises(ValueError, match="needs its key"):
        open_client(tls=TLS(certificate=tmp_path / "client.pem"))


async def test_a_missing_file_is_named(open_client, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.pem"):
        open_client(tls=TLS(ca=tmp_path / "absent.pem"))
