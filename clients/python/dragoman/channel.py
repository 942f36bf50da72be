"""Settings of a connection: target, API key, TLS, timeouts, and which calls are retried."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import grpc

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT = 600.0  # seconds
DEFAULT_RECONNECT_TIMEOUT = 120.0  # seconds
DEFAULT_RECONNECT_DELAY = 0.1  # seconds
DEFAULT_LONGEST_WAIT = 25.0  # seconds; proxies end calls that are silent for a minute
ENV_TARGET = "DRAGOMAN_TARGET"
ENV_API_KEY = "DRAGOMAN_API_KEY"

_OPTIONS: Mapping[str, int] = {
    "grpc.max_receive_message_length": 64 * 1024 * 1024,  # for long answers with the log probability of each token
    "grpc.per_rpc_retry_buffer_size": 8 * 1024 * 1024,  # longer requests are not retried, and the service accepts none
    "grpc.min_reconnect_backoff_ms": 5_000,  # gRPC's name for the timeout of one attempt to connect
    "grpc.initial_reconnect_backoff_ms": 200,  # short enough to find a restarted service within the retries above
    "grpc.max_reconnect_backoff_ms": 5_000,
    # Detects a frozen service while calls wait for it. The service allows more pings than that. Without the last two
    # options, gRPC stops pinging after the second ping and waits a minute for the answer to a ping.
    "grpc.keepalive_time_ms": 20_000,
    "grpc.keepalive_timeout_ms": 10_000,
    "grpc.http2.max_pings_without_data": 0,
    "grpc.http2.ping_timeout_ms": 10_000,
}


@dataclass(frozen=True, slots=True)
class TLS:
    """Paths of PEM files for a connection over TLS.

    `ca` holds the trusted authorities; without it, gRPC's built-in list applies. `certificate` and `key` identify the
    client to a service that requires client certificates; set both or neither. `server_name` is the name in the
    service's certificate, if it differs from the target's host.
    """

    ca: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files. Raises OSError if that fails, ValueError if only one of `certificate` and `key` is set."""
        if (self.certificate is None) != (self.key is None):
            raise ValueError("A client certificate needs its key: set both, TLS(certificate=…, key=…).")
        return grpc.ssl_channel_credentials(_read(self.ca), _read(self.key), _read(self.certificate))


@dataclass(frozen=True, slots=True)
class Connection:
    """Target and settings of a connection; all times are in seconds, see `Client`."""

    target: str
    timeout: float
    reconnect_timeout: float
    reconnect_delay: float
    longest_wait: float
    credentials: grpc.ChannelCredentials | None = field(repr=False)
    options: tuple[tuple[str, int | str], ...] = field(repr=False)
    metadata: tuple[tuple[str, str], ...] = field(repr=False)

    @classmethod
    def of(
        cls,
        target: str | None,
        api_key: str | None,
        tls: TLS | bool | None,
        *,
        timeout: float,
        reconnect_timeout: float,
        reconnect_delay: float,
        longest_wait: float,
    ) -> Connection:
        """Takes what is None from the environment or from the defaults. Raises ValueError for an unusable API key."""
        target = target or os.environ.get(ENV_TARGET) or DEFAULT_TARGET
        api_key = os.environ.get(ENV_API_KEY) if api_key is None else api_key
        tls_files = TLS() if tls is True else tls or None
        return cls(
            target=target,
            timeout=timeout,
            reconnect_timeout=reconnect_timeout,
            reconnect_delay=reconnect_delay,
            longest_wait=longest_wait,
            credentials=tls_files.credentials() if tls_files else None,
            options=_options(target, tls_files),
            metadata=_authorization(api_key),
        )

    def timeout_or_default(self, timeout: float | None) -> float:
        """The timeout of a call in seconds; None means the connection's default."""
        return self.timeout if timeout is None else timeout


def service_config() -> str:
    """gRPC's service config as JSON: the retries, time limits and message sizes that all clients share.

    The calls that it retries are safe to repeat: they read, or they generate an answer that nobody has seen yet; gRPC
    never repeats a stream that has delivered an event. StartCompletion always carries a request_id, so that a
    repetition finds the operation of the first call. DeleteOperation is not retried: it would report NOT_FOUND for what
    it has just deleted. The server's `grpc-retry-pushback-ms` trailer overrides the back-off.
    """
    return files("dragoman").joinpath("dragoman_grpc_service_config.json").read_text()


def _options(target: str, tls: TLS | None) -> tuple[tuple[str, int | str], ...]:
    options: dict[str, int | str] = dict(_OPTIONS)
    options["grpc.service_config"] = service_config()
    options["grpc.primary_user_agent"] = f"dragoman-python/{version('dragoman')}"
    if _is_loopback(target):
        options["grpc.enable_http_proxy"] = 0  # otherwise gRPC would send calls to this machine through $http_proxy
    if tls is not None and tls.server_name:
        options["grpc.ssl_target_name_override"] = tls.server_name
    return tuple(options.items())


def _authorization(api_key: str | None) -> tuple[tuple[str, str], ...]:
    """The API key as metadata of each call, because gRPC's call credentials require TLS even on loopback."""
    key = (api_key or "").strip()
    if not key:
        return ()
    if not (key.isascii() and key.isprintable()):
        raise ValueError("The API key has characters that no API key contains. Copy the complete key and nothing else.")
    return (("authorization", f"Bearer {key}"),)


def _is_loopback(target: str) -> bool:
    address = target.rpartition("/")[2]
    return address.startswith(("127.", "localhost:", "[::1]:"))


def _read(path: str | Path | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
