"""Bearer tokens for Google Cloud: signed here with a service account's key, or read from a file."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import orjson
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pydantic import PrivateAttr, model_validator

from dragoman_service.providers.upstream.settings import is_sendable
from dragoman_service.settings.types import ConfigPath, Secret, Section

AUDIENCE = "https://aiplatform.googleapis.com/"
LIFETIME = 3600  # seconds; the vendor accepts no longer one
RENEWAL = 300  # seconds before its end: a clock may be wrong, and a request may wait
log = structlog.get_logger(__name__)


class Token(Protocol):
    """Where the token of each request comes from."""

    def current(self) -> str:
        """The token to send now."""
        ...


class FixedToken:
    """A token that stays as it is."""

    def __init__(self, token: str) -> None:
        self._token = token

    def current(self) -> str:
        return self._token


class TokenFile:
    """A token that another program renews in a file, which is read again whenever it has changed.

    Raises ValueError if it cannot be read at first. Later the last token stays in use, and the log tells why.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._token = ""
        self._read()

    def current(self) -> str:
        try:
            self._read()
        except ValueError as error:
            log.warning("credentials.not_renewed", error=str(error))
        return self._token

    def _read(self) -> None:
        try:
            state = os.stat(self._path)
            seen = (state.st_mtime_ns, state.st_size, state.st_ino)
            if seen == self._seen:
                return
            text = self._path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the file cannot be read: {_reason(error)}") from None
        if not _is_sendable(text):
            raise ValueError("the file must hold a token: one line of printable ASCII characters")
        self._seen, self._token = seen, text


class SignedToken:
    """A JWT that the service signs itself with the key of a service account, so that no token has to be fetched.

    `path` is the vendor's JSON key file. `clock` returns the seconds since 1970. Raises ValueError.
    """

    def __init__(self, path: Path, audience: str = AUDIENCE, clock: Callable[[], float] = time.time) -> None:
        self._account, self._key_id, self._key = _service_account(path)
        self._audience = audience
        self._clock = clock
        self._token, self._expires = "", 0

    def current(self) -> str:
        now = int(self._clock())
        if now > self._expires - RENEWAL or now < self._expires - LIFETIME:  # or the clock was set back
            self._expires = now + LIFETIME
            self._token = self._signed(now)
        return self._token

    def _signed(self, now: int) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self._key_id}
        claims = {"iss": self._account, "sub": self._account, "aud": self._audience, "iat": now, "exp": now + LIFETIME}
        text = b".".join(_encoded(orjson.dumps(part)) for part in (header, claims))
        signature = self._key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        return b".".join((text, _encoded(signature))).decode()


class CredentialSettings(Section):
    """The keys of a provider's table that say where its token comes from: at most one of them."""

    service_account: ConfigPath | None = None
    """The JSON key file of a service account, with which the service signs its tokens."""
    access_token: Secret | None = None
    """A token that does not change while the service runs."""
    access_token_file: ConfigPath | None = None
    """A file with a token that another program renews."""
    _token: Token | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _has_one_source(self) -> CredentialSettings:
        given = [name for name in CredentialSettings.model_fields if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{given[1]}: set this or {given[0]}, not both")
        try:
            self._token = self._source()
        except ValueError as error:
            raise ValueError(f"{given[0]}: {error}") from None
        return self

    @property
    def token(self) -> Token | None:
        """Where the token of each request comes from. None: requests carry none."""
        return self._token

    def _source(self) -> Token | None:
        if self.service_account is not None:
            return SignedToken(self.service_account)
        if self.access_token_file is not None:
            return TokenFile(self.access_token_file)
        if self.access_token is None:
            return None
        token = self.access_token.get_secret_value()
        if not _is_sendable(token):
            raise ValueError("must be one line of printable ASCII characters, and not empty")
        return FixedToken(token)


def _service_account(path: Path) -> tuple[str, str, rsa.RSAPrivateKey]:
    """The e-mail address, the id of the key and the key. No message quotes the file."""
    try:
        account = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"the file cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError:
        raise ValueError("the file is not valid JSON") from None
    texts = [str(account.get(name) or "") if isinstance(account, dict) else "" for name in _KEYS]
    if not all(texts):
        raise ValueError(f"the file is not the key of a service account: it needs {', '.join(_KEYS)}")
    email, key_id, pem = texts
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the private_key in the file is not a PEM key without a password") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the private_key in the file is not an RSA key")
    return email, key_id, key


_KEYS = ("client_email", "private_key_id", "private_key")


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def _is_sendable(token: str) -> bool:
    return is_sendable(token) and " " not in token


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unknown" if isinstance(error, OSError) else "it is not text"
