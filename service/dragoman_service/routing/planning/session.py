"""Which target a session prefers: weighted rendezvous hashing, which needs no store and agrees on all hosts.

If a target goes, only its own sessions move; see Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit
Rates", 1998, and for the weights Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005.
"""

from __future__ import annotations

import hashlib
import math

_BITS = 52  # so that no quotient is rounded to 1, whose logarithm is 0


def preference(session: str, target: str, weight: float) -> float:
    """How much a session prefers a target: the highest value wins, in proportion to the weights."""
    digest = hashlib.blake2b(f"{session}\0{target}".encode(), digest_size=8).digest()
    return -weight / math.log(((int.from_bytes(digest) >> (64 - _BITS)) + 0.5) / 2.0**_BITS)


def shown(session: str) -> str:
    """A session in the log: 8 hexadecimal digits of a hash, because ids of sessions are the caller's."""
    return hashlib.blake2b(session.encode(), digest_size=4).hexdigest() if session else ""
