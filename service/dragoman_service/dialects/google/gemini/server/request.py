"""Decodes requests: generateContent, countTokens and computeTokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dragoman import v1

from dragoman_service.dialects.contract import DecodedRequest
from dragoman_service.dialects.google.gemini.enums import CATEGORY, THRESHOLD, Api
from dragoman_service.dialects.google.gemini.reading import Notes, Reader, parsed
from dragoman_service.dialects.google.gemini.safety import THRESHOLDS, block_at, category_of
from dragoman_service.dialects.google.gemini.server.config import decode_config
from dragoman_service.dialects.google.gemini.server.contents import ContentDecoder
from dragoman_service.dialects.google.gemini.server.tools import decode_tool_choice, decode_tools

_REFUSED = {"cachedContent": "is not supported, because this service keeps no cached content: send the contents"}
_IGNORED = {
    "store": "This service stores no contents.",
    "serviceTier": "This service has no tiers.",
    "modelArmorConfig": "This service does not call it.",
}


@dataclass(slots=True)
class GeminiRequest(DecodedRequest):
    """A request of this dialect."""

    thoughts: bool = False
    """The answer shows the model's thoughts."""


def decode_request(body: bytes | Mapping[str, Any], api: Api, *, reject: bool = False) -> GeminiRequest:
    """The request in `body`, its model as it is named there. With `reject` nothing is left out with a warning.

    Raises MALFORMED_REQUEST and INVALID_FIELD.
    """
    return _request(Reader(parsed(body), "", Notes(api, reject=reject)))


def decode_count(body: bytes | Mapping[str, Any], api: Api, *, reject: bool = False) -> GeminiRequest:
    """The request whose tokens are to be counted: what stands in `body`, or in its `generateContentRequest`."""
    reader = Reader(parsed(body), "", Notes(api, reject=reject))
    whole = reader.object("generateContentRequest")
    if whole is None:
        return _request(reader)
    reader.take("model")
    reader.finish()
    return _request(whole)


def decode_texts(body: bytes | Mapping[str, Any], api: Api) -> list[tuple[str, str]]:
    """The role and the text of each content in the body of computeTokens."""
    reader = Reader(parsed(body), "", Notes(api))
    texts = []
    for content in reader.objects("contents"):
        role = content.text("role") or "user"
        texts.append((role, "".join(part.text("text") or "" for part in content.objects("parts"))))
    return texts


def _request(reader: Reader) -> GeminiRequest:
    decoded = GeminiRequest(include_usage=True, warnings=reader.notes.warnings)
    request = decoded.request
    reader.refuse(_REFUSED)
    request.model = reader.text("model") or ""
    contents = ContentDecoder()
    instruction = reader.take("systemInstruction")
    if instruction is not None:
        request.messages.extend(contents.instruction(instruction, reader))
    for content in reader.objects("contents"):
        request.messages.extend(contents.content(content))
    request.tools.extend(decode_tools(reader))
    choice = decode_tool_choice(reader)
    if choice is not None and (request.tools or choice.mode == v1.ToolChoice.MODE_REQUIRED):
        request.tool_choice.CopyFrom(choice)
    given = reader.object("generationConfig")
    if given is not None:
        config, decoded.thoughts = decode_config(given)
        if config.ListFields():
            request.generation_config.CopyFrom(config)
    request.safety_settings.extend(_safety_settings(reader))
    request.labels.update(_labels(reader))
    reader.ignore(_IGNORED)
    reader.finish()
    return decoded


def _safety_settings(reader: Reader) -> list[v1.SafetySetting]:
    """The settings, the last one of each category. One without a threshold asks for the default, as none does."""
    found: dict[str, v1.SafetySetting] = {}
    for setting in reader.objects("safetySettings"):
        category, threshold = setting.enum("category", CATEGORY), setting.enum("threshold", THRESHOLD)
        setting.ignore({"method": "Filters of this service have one method."})
        setting.finish()
        if category is None or threshold is None:
            reader.notes.leave_out(setting.path, "It needs a category and a threshold.")
            continue
        level = block_at(threshold)
        if level is None:
            setting.wrong("threshold", f"must be one of {', '.join(THRESHOLDS)}")
        found[category] = v1.SafetySetting(category=category_of(category), block_at=level)
    return list(found.values())


def _labels(reader: Reader) -> dict[str, str]:
    labels = reader.plain("labels") or {}
    if not all(isinstance(value, str) for value in labels.values()):
        reader.wrong("labels", "must map names to strings")
    return labels
