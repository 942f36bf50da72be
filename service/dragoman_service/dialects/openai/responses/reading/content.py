"""Decodes the content of messages and of results: texts, refusals, images, files and recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dragoman import v1

from dragoman_service.dialects.media import decode_base64, is_data_url, is_media, media_type_of
from dragoman_service.dialects.openai.server.decoded import OpenAIRequest
from dragoman_service.dialects.openai.server.fields import items, mapping, one_of, required, text, unsupported, wrong
from dragoman_service.dialects.openai.server.messages import AUDIO, no_data, set_address

_TEXTS = frozenset({"input_text", "output_text", "text"})
_OWN = frozenset({"annotations", "logprobs"})
"""Keys of an answer's text, which no model needs back."""
_DETAILS = (None, "auto")


def decode_content(decoded: OpenAIRequest, value: Any, param: str) -> Iterator[v1.Part]:
    """The parts of a string or a list that are not empty. Raises INVALID_FIELD."""
    listed = [value] if isinstance(value, str) else items(value, param)
    for number, part in enumerate(listed):
        if isinstance(part, str):
            found = v1.Part(text=part)
        else:
            found = _part(decoded, mapping(part, f"{param}[{number}]"), f"{param}[{number}]")
        if found.text or found.refusal or is_media(found):
            yield found


def _part(decoded: OpenAIRequest, part: Mapping[str, Any], at: str) -> v1.Part:
    kind = text(required(part, "type", f"{at}."), f"{at}.type")
    found = v1.Part()
    if kind in _TEXTS:
        values = {key: value for key, value in part.items() if key not in _OWN}
        values = decoded.split(values, frozenset({"type", "text"}), found.extensions, at)
        found.text = text(values.get("text", ""), f"{at}.text")
    elif kind == "refusal":
        values = decoded.given(part, frozenset({"type", "refusal"}), at)
        found.refusal = text(values.get("refusal", ""), f"{at}.refusal")
    elif kind == "input_image":
        _image(decoded, part, found, at)
    elif kind == "input_file":
        _file(decoded, part, found, at)
    elif kind == "input_audio":
        _audio(decoded, part, found, at)
    else:
        raise unsupported(f"{at}.type", f"Remove the part of type '{kind[:64]}', which this service does not know.")
    return found


def _image(decoded: OpenAIRequest, part: Mapping[str, Any], found: v1.Part, at: str) -> None:
    values = decoded.split(part, frozenset({"type", "image_url", "file_id", "detail"}), found.extensions, at)
    if "file_id" in values:
        found.file.id = text(values["file_id"], f"{at}.file_id")
    else:
        url = required(values, "image_url", f"{at}.")
        if isinstance(url, dict):  # as in OpenAI's other API
            url = required(url, "url", f"{at}.image_url.")
        set_address(text(url, f"{at}.image_url"), found, f"{at}.image_url")
    if values.get("detail") not in _DETAILS:
        decoded.extend(found.extensions, "detail", values["detail"], f"{at}.detail")


def _file(decoded: OpenAIRequest, part: Mapping[str, Any], found: v1.Part, at: str) -> None:
    known = frozenset({"type", "file_id", "file_data", "file_url", "filename", "detail"})
    values = decoded.split(part, known, found.extensions, at)
    name = text(values.get("filename", ""), f"{at}.filename")
    if "file_id" in values:
        found.file.id = text(values["file_id"], f"{at}.file_id")
        return
    key = next((key for key in ("file_data", "file_url") if key in values), "")
    if not key:
        raise wrong(at, f"'{at}' must have 'file_data', 'file_url' or 'file_id'.")
    value = text(values[key], f"{at}.{key}")
    if key == "file_data" and not is_data_url(value):  # the name alone says what it is
        found.blob.media_type = media_type_of(name) or "application/octet-stream"
        found.blob.data = decode_base64(value) or no_data(f"{at}.{key}")
    else:
        set_address(value, found, f"{at}.{key}")
    (found.blob if found.HasField("blob") else found.file).name = name


def _audio(decoded: OpenAIRequest, part: Mapping[str, Any], found: v1.Part, at: str) -> None:
    values = decoded.split(part, frozenset({"type", "input_audio"}), found.extensions, at)
    at = f"{at}.input_audio"
    audio = decoded.given(mapping(required(values, "input_audio", ""), at), frozenset({"data", "format"}), at)
    found.blob.media_type = AUDIO[one_of(audio.get("format", "wav"), tuple(AUDIO), f"{at}.format")]
    found.blob.data = decode_base64(text(required(audio, "data", f"{at}."), f"{at}.data")) or no_data(f"{at}.data")
