"""TLS on the gRPC listener, from certificate and key files."""

from __future__ import annotations

import grpc
import pytest
import trustme
from dragoman import v1
from dragoman_service.settings.settings import SettingsError, load


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
