"""The models of an upstream: the list that it gives of them, and how the catalogue gets to know each."""

from __future__ import annotations

from collections.abc import Sequence

from dragoman import v1

from dragoman_service.providers.upstream.connection import Http, HttpAnswer, HttpError

MOST_MODELS = 2000
"""The models of a list that are read; the rest is ignored."""


class ModelsError(Exception):
    """The upstream's models are unknown. The message tells the operator what to do."""


async def get_list(http: Http, path: str, advice: str) -> HttpAnswer:
    """The answer to GET `path`, the list of models.

    Raises ModelsError if none came or the API key was refused. `advice`, which has no full stop, says what the operator
    can do without a list.
    """
    try:
        answer = await http.get(path)
    except HttpError as failure:
        raise ModelsError(f"The upstream does not list its models: {failure}. {advice}.") from failure
    if answer.status in (401, 403):
        raise ModelsError(f"The upstream refused the API key with status {answer.status}. Correct `api_key`.")
    return answer


def ready_model(
    name: str, supported_fields: Sequence[str], capabilities: Sequence[v1.Capability.ValueType] = ()
) -> v1.Model:
    """A model that callers ask for by the upstream's name of it."""
    return v1.Model(
        display_name=name,
        provider_model=name,
        aliases=[name],
        capabilities=capabilities,
        supported_fields=supported_fields,
        availability=v1.AVAILABILITY_READY,
    )
