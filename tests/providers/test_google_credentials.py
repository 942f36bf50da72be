"""Tokens for Google Cloud: signed with a service account's key, or read from a file that another program renews."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from dragoman_service.providers.google.credentials import (
    AUDIENCE,
    LIFETIME,
    RENEWAL,
    CredentialSettings,
    SignedToken,
    TokenFile,
)
from pydantic import ValidationError

EMAIL = "caller@project.iam.example.com"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: Any) -> str:
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return str(key.private_bytes(*kinds).decode())


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "account.json"
    account = {"type": "service_account", "client_email": EMAIL, "private_key_id": "k1", "private_key": pem(KEY)}
    file.write_text(json.dumps(account))
    return file


def parts_of(token: str) -> tuple[Any, Any, bytes, bytes]:
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(plain(part)) for part in signed.split("."))
    return header, claims, signed.encode(), plain(signature)


def plain(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_signed_with_the_key_of_the_account_for_the_service(key_file: Path) -> None:
    header, claims, signed, signature = parts_of(SignedToken(key_file, clock=lambda: 1000.7).current())

    assert header == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert claims == {"iss": EMAIL, "sub": EMAIL, "aud": AUDIENCE, "iat": 1000, "exp": 4600}
    KEY.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())


def test_a_token_is_renewed_in_time_before_its_end_and_not_earlier(key_file: Path) -> None:
    now = [1000.0]
    tokens = SignedToken(key_file, clock=lambda: now[0])
    first = tokens.current()
    now[0] += LIFETIME - RENEWAL
    kept = tokens.current()
    now[0] += 1
    renewed = tokens.current()
    now[0] = 500.0  # the clock was set back: the vendor refuses a token from the future
    earlier = tokens.current()

    assert kept == first
    assert parts_of(renewed)[1]["iat"] == 1000 + LIFETIME - RENEWAL + 1
    assert parts_of(earlier)[1]["iat"] == 500


def test_a_token_in_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    tokens = TokenFile(file)
    before = tokens.current()
    file.write_text("second")
    os.utime(file, ns=(1, 1))

    assert (before, tokens.current()) == ("first", "second")


@pytest.mark.parametrize("broken", ["", "two words", "two\nlines", None])
def test_the_last_token_stays_in_use_while_its_file_cannot_be_read(tmp_path: Path, broken: str | None) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    tokens = TokenFile(file)
    if broken is None:
        file.unlink()
    else:
        file.write_text(broken)

    assert tokens.current() == "first"
    file.write_text("renewed")
    assert tokens.current() == "renewed"


def test_each_source_gives_its_token(key_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file")
    tokens = [
        CredentialSettings.model_validate(given).token
        for given in ({"access_token": "fixed"}, {"access_token_file": file}, {"service_account": key_file})
    ]

    assert [token and token.current() for token in tokens[:2]] == ["fixed", "from-file"]
    assert tokens[2] is not None
    assert parts_of(tokens[2].current())[1]["iss"] == EMAIL
    assert CredentialSettings().token is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"access_token": "a", "access_token_file": "b"}, "access_token_file: set this or access_token, not both"),
        ({"access_token": "a", "service_account": "b"}, "access_token: set this or service_account, not both"),
        ({"access_token": "two\nlines"}, "access_token: must be one line of printable ASCII characters"),
        ({"access_token_file": "/missing/token"}, "access_token_file: the file cannot be read: No such file"),
        ({"service_account": "/missing/key"}, "service_account: the file cannot be read: No such file"),
    ],
)
def test_a_mistake_names_its_key(given: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CredentialSettings.model_validate(given)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "the file is not valid JSON"),
        ("[]", "it needs client_email, private_key_id, private_key"),
        ('{"client_email": "a", "private_key_id": "b"}', "it needs client_email, private_key_id, private_key"),
        ('{"client_email": "a", "private_key_id": "b", "private_key": "SECRET"}', "not a PEM key without a password"),
        (
            json.dumps(
                {
                    "client_email": "a",
                    "private_key_id": "b",
                    "private_key": pem(ec.generate_private_key(ec.SECP256R1())),
                }
            ),
            "is not an RSA key",
        ),
    ],
)
def test_a_file_that_is_no_key_is_refused_without_quoting_it(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "account.json"
    file.write_text(content)
    with pytest.raises(ValidationError, match=message) as caught:
        CredentialSettings.model_validate({"service_account": file})

    assert "SECRET" not in str(caught.value)
    assert "PRIVATE KEY" not in str(caught.value)
