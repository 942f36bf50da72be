"""Errors in this API's terms: its parameters, and responses where we say operations."""

from __future__ import annotations

from dataclasses import replace

from dragoman import v1

from dragoman_service.dialects.contract import HttpErrorResponse
from dragoman_service.dialects.openai.responses.ids import response_id
from dragoman_service.dialects.openai.server import errors
from dragoman_service.dialects.openai.server.errors import Params, param_of
from dragoman_service.dialects.openai.server.fields import PARAM, wrong
from dragoman_service.errors import CompletionError

name_of = Params(
    (
        (r"messages\b.*|prompt", "input"),
        (r"(tools\[\d+\])\.function\.parameters_json_schema", r"\1.parameters"),
        (r"(tools\[\d+\])\.function\.(\w+)", r"\1.\2"),
        (r"generation_config\.max_output_tokens", "max_output_tokens"),
        (r"generation_config\.include_logprobs", "include"),
        (r"generation_config\.reasoning\.visibility", "reasoning.summary"),
        (r"generation_config\.reasoning\b.*", "reasoning.effort"),
        (r"generation_config\.response_format\b.*", "text.format"),
        (r"after_sequence", "starting_after"),
    ),
    otherwise=param_of,
).name
"""The parameter of this API that a field of our schema was decoded from."""


def encode_error(error: CompletionError, call_id: str) -> HttpErrorResponse:
    """The error object, as in chat completions."""
    if error.reason == v1.ERROR_REASON_OPERATION_NOT_FOUND and PARAM not in error.metadata:
        shown = response_id(error.resource)[:128]
        advice = "It was not stored, it has expired, or it belongs to another key."
        error = replace(error, message=f"Response with id '{shown}' not found. {advice}", fields=())
    return errors.encode_error(error, call_id, name_of)


def previous_not_found(response: str) -> CompletionError:
    """A conversation cannot go on from a response that is not there."""
    message = f"Previous response with id '{response[:128]}' not found. It was not stored, or it has expired."
    return wrong("previous_response_id", message, "previous_response_not_found")


def previous_unusable(response: str, why: str) -> CompletionError:
    """A conversation cannot go on from a response without an answer, or without its request."""
    return wrong("previous_response_id", f"The conversation cannot go on from '{response[:128]}': {why}")


def item_not_found(item: str) -> CompletionError:
    """A reference to an item that no stored response has."""
    return wrong("input", f"Item with id '{item[:128]}' not found. Send the item itself.", "item_not_found")
