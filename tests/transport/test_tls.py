"""TLS on the gRPC listener, from certificate and key files."""

from __future__ import annotations

import asyncio
import re
import ssl
from datetime import UTC, datetime

import grpc
import pytest
import trustme
from dragoman import v1
from dragoman_service.settings.settings import SettingsError, load
from raw_http import asked
from structlog.testing import capture_logs


@pytest.fixture
def pair(tmp_path):
    ca = trustme.CA()
    certificate = ca.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_pem.write_to_path(str(tmp_path / "server.key"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(tmp_path / "server.pem"), append=True)
    tls = {"certificate": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.key")}
    return ca.cert_pem.bytes(), tls


async def test_a_client_that_trusts_the_ca_is_served(start_service, prompt, pair):
    ca, tls = pair
    service = await start_service(server={"tls": tls})
    async with grpc.aio.secure_channel(service.grpc_address, grpc.ssl_channel_credentials(ca)) as channel:
        completion = await v1.CompletionServiceStub(channel).CreateCompletion(prompt("safe"))

    assert completion.choices[0].message.parts[0].text == "safe"


async def test_the_metrics_say_when_the_certificate_expires(start_service, tmp_path):
    ends = datetime(2035, 1, 2, tzinfo=UTC)
    tls = {"certificate": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.key")}
    issued = trustme.CA().issue_cert("127.0.0.1", not_after=ends)
    issued.cert_chain_pems[0].write_to_path(tls["certificate"])
    issued.private_key_pem.write_to_path(tls["key"])
    service = await start_service(server={"tls": tls})
    async with asked(service.http_address, "GET", "/metrics") as page:
        shown = re.findall(rb'^dragoman_tls_\w+{listener="grpc"} (.*)$', await page.whole(), re.MULTILINE)

    assert [float(when) for when in shown] == [ends.timestamp()]


async def trusted_by(address: str, ca: trustme.CA) -> bool:
    """Whether a new connection gets a certificate of `ca`."""
    context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
    context.set_alpn_protocols(["h2"])
    try:
        _, writer = await asyncio.open_connection(*address.split(":"), ssl=context)
    except ssl.SSLCertVerificationError:
        return False
    writer.close()
    return True


async def test_renewed_files_are_used_for_new_connections(start_service, prompt, tmp_path):
    old, new = trustme.CA(), trustme.CA()
    tls = {"certificate": str(tmp_path / "server.pem"), "key": str(tmp_path / "server.key")}

    def write(ca: trustme.CA, *, only_certificate: bool = False) -> None:
        pair = ca.issue_cert("127.0.0.1")
        pair.cert_chain_pems[0].write_to_path(tls["certificate"])
        if not only_certificate:
            pair.private_key_pem.write_to_path(tls["key"])

    write(old)
    service = await start_service(server={"tls": tls})
    credentials = grpc.ssl_channel_credentials(old.cert_pem.bytes())
    async with grpc.aio.secure_channel(service.grpc_address, credentials) as channel:
        stub = v1.CompletionServiceStub(channel)
        await stub.CreateCompletion(prompt())
        with capture_logs() as logs:
            write(new, only_certificate=True)
            kept = [await trusted_by(service.grpc_address, old) for _ in range(2)]
            write(new)
            used = await trusted_by(service.grpc_address, new)
        await stub.CreateCompletion(prompt())  # on the old connection

    assert kept == [True, True]
    assert used
    assert not await trusted_by(service.grpc_address, old)
    assert [(entry["log_level"], entry["event"]) for entry in logs if entry["event"].startswith("tls")] == [
        ("error", "tls.certificate_unusable"),
        ("info", "tls.certificate_renewed"),
    ]


async def test_others_are_refused_in_the_handshake(start_service, prompt, refused, pair):
    service = await start_service(server={"tls": pair[1]})
    stranger = grpc.ssl_channel_credentials(trustme.CA().cert_pem.bytes())
    async with (
        grpc.aio.secure_channel(service.grpc_address, stranger) as other_ca,
        grpc.aio.insecure_channel(service.grpc_address) as plain,
    ):
        for channel in (other_ca, plain):
            refusal = await refused(v1.CompletionServiceStub(channel).CreateCompletion(prompt()))
            assert refusal.code is grpc.StatusCode.UNAVAILABLE


def test_missing_and_broken_files_are_mistakes_in_the_settings(tmp_path, pair):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    wrong = {"certificate": str(tmp_path / "none.pem"), "key": str(broken)}
    with pytest.raises(SettingsError) as caught:
        load(None, {}, {"server.tls": wrong})

    assert [mistake.path for mistake in caught.value.mistakes] == ["server.tls.certificate"]


async def test_an_invalid_certificate_or_key_is_reported_at_start(start_service, tmp_path, pair):
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    with pytest.raises(SettingsError) as caught:
        await start_service(server={"tls": {**pair[1], "certificate": str(broken)}})

    assert caught.value.mistakes[0].path == "server.tls"
