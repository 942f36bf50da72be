"""Page tokens: the place where the next page begins, signed for one caller and one filter."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from dragoman_service.contract import CompletionError, FieldViolation, invalid
from dragoman_service.operations.model.records import Record
from dragoman_service.operations.model.requests import Position

_MAC_BYTES = 16


class PageTokens:
    """Makes and reads tokens with `key`, which all servers of one store share."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, caller: str, filter_text: str, record: Record) -> str:
        """The token of the page that follows the operation `record`."""
        last = f"{record.create_time} {record.id}"
        return base64.urlsafe_b64encode(self._mac(caller, filter_text, last) + last.encode()).decode().rstrip("=")

    def read(self, token: str, caller: str, filter_text: str) -> Position | None:
        """Where the previous page ended; None for an empty token. Raises INVALID_FIELD for a token that is not ours."""
        if not token:
            return None
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            last = raw[_MAC_BYTES:].decode()
        except (ValueError, binascii.Error):
            raise _forged() from None
        if not hmac.compare_digest(raw[:_MAC_BYTES], self._mac(caller, filter_text, last)):
            raise _forged()
        create_time, space, last_id = last.partition(" ")
        if not space:  # from an earlier version
            raise _forged()
        return Position(int(create_time), last_id)

    def _mac(self, *parts: str) -> bytes:
        lengths = b"".join(len(part.encode()).to_bytes(8) for part in parts)
        return hmac.digest(self._key, lengths + "".join(parts).encode(), hashlib.sha256)[:_MAC_BYTES]


def _forged() -> CompletionError:
    return invalid(
        FieldViolation(
            "page_token",
            "must be empty, or the next_page_token of your previous ListOperations call with the same filter",
        )
    )
