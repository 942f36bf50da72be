"""Holds the ports that all workers listen on, so that port 0 is one port for all of them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dragoman_service.settings.errors import Mistake, SettingsError
from dragoman_service.settings.types import Address

_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}  # a name stands for addresses of families that are not used


@contextmanager
def held(name: str, address: Address) -> Iterator[Address]:
    """The address with its real port, which others may share until the context is left. `name` is the setting's.

    Raises SettingsError if it cannot be had: also if somebody shares the port who is none of our workers.
    """
    if not hasattr(socket, "SO_REUSEPORT"):
        raise SettingsError([Mistake("server.workers", "should be 1: this system has no SO_REUSEPORT")])
    with ExitStack() as stack:
        try:
            real = _hold(address, stack)
        except OSError as error:
            raise SettingsError([Mistake(name, f"cannot listen on {address}: {error.strerror or error}")]) from None
        yield real


def _hold(address: Address, stack: ExitStack) -> Address:
    port, refused = address.port, None
    held = []
    for family, _, _, _, place in socket.getaddrinfo(
        address.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as alone:
                _bind(alone, (place[0], port, *place[2:]))
            shared = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            _bind(shared, (place[0], port, *place[2:]))
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            refused = error
        else:
            port = shared.getsockname()[1]
            held.append(shared)
    if refused is not None and not held:
        raise refused
    return Address(address.host, port)


def _bind(listener: socket.socket, place: tuple[Any, ...]) -> None:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what just closed its connections is no hindrance
    if listener.family is socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(place)
