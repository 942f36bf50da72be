"""Requests that may be repeated: which ones outlive their caller, and which two are the same."""

from __future__ import annotations

import hashlib

from dragoman import v1


def goes_on(request: v1.CompletionRequest) -> bool:
    """Whether the completion goes on when its caller leaves."""
    if request.disconnect_policy == v1.DISCONNECT_POLICY_UNSPECIFIED:
        return bool(request.request_id)
    return request.disconnect_policy == v1.DISCONNECT_POLICY_CONTINUE


def request_hash(request: v1.CompletionRequest) -> bytes:
    """Equal for requests for the same completion. Its delivery, its priority and its session make no difference."""
    asked = v1.CompletionRequest()
    asked.CopyFrom(request)
    asked.ClearField("request_id")
    asked.ClearField("disconnect_policy")
    asked.ClearField("stream_options")
    asked.ClearField("priority")
    asked.routing.ClearField("session")
    if not asked.routing.ByteSize():
        asked.ClearField("routing")
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).digest()
