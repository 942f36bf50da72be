"""What is known of the key of a call."""

from __future__ import annotations

from typing import Any

from dragoman.dialect.xai import v1 as x
from google.protobuf.empty_pb2 import Empty
from grpc import aio

from dragoman_service.transport.auth import Auth as Keys
from dragoman_service.transport.call_context import call_context

Context = aio.ServicerContext[Any, Any]
_ENDPOINTS = "api-key:endpoint:*"
_MODEL = "api-key:model:"


class Auth:
    """Shows the key by its id in the settings. Of the key itself the service knows no character."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def get_api_key_info(self, request: Empty, context: Context) -> x.ApiKey:
        caller = call_context(context).caller
        models = self._keys.allowed.get(caller, ("*",))
        return x.ApiKey(
            redacted_api_key="...",
            user_id=caller,
            name=caller,
            api_key_id=caller,
            team_id=self._keys.teams.get(caller, ""),
            acls=[_ENDPOINTS, *(f"{_MODEL}{pattern}" for pattern in models)],
        )
