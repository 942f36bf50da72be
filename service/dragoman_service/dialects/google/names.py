"""Names of Google Cloud: packages, resources of models, families of models."""

from __future__ import annotations

import re
from collections.abc import Mapping

AIPLATFORM = "google.cloud.aiplatform.v1"

_TWINS = "dragoman/dialect/google"
_CONTENT = ("content", "generate_content", "generation_config", "safety", "schema", "tool")
_AIPLATFORM = (
    *_CONTENT,
    "llm_utility_service",
    "model_garden_service",
    "prediction",
    "prediction_service",
    "tensor",
)
PACKAGES: Mapping[str, str] = {f"{_TWINS}/aiplatform/v1/{file}.proto": AIPLATFORM for file in _AIPLATFORM}
"""The vendor's package for each file of Vertex AI's wire twins."""
GENERATIVE_LANGUAGE: Mapping[str, Mapping[str, str]] = {
    package: {
        f"{_TWINS}/generativelanguage/v1/{file}.proto": package
        for file in (*_CONTENT, "generative_service", "model_service")
    }
    for package in ("google.ai.generativelanguage.v1beta", "google.ai.generativelanguage.v1")
}
"""The packages under which the Gemini API's wire twins are served, each with what `PACKAGES` says of Vertex AI's."""

PUBLISHER = "google"
_RESOURCE = re.compile(
    r"(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/(?P<publisher>[^/]+)/)?models/(?P<model>.+)", re.DOTALL
)


def model_names(resource: str) -> tuple[str, ...]:
    """The names under which the model of a resource name is looked up, the most specific first.

    `projects/P/locations/L/publishers/google/models/text-bison@002` is looked up as `text-bison@002` and as
    `text-bison`; a model of another publisher as `PUBLISHER/MODEL` first. `models/M` and `M` alone are the model M.
    """
    found = _RESOURCE.fullmatch(resource)
    model, publisher = (found["model"], found["publisher"]) if found else (resource, None)
    base = model.rpartition("@")[0]
    names = [model, base] if base else [model]
    if publisher not in (None, PUBLISHER):
        names = [*(f"{publisher}/{name}" for name in names), *names]
    return tuple(names)


def publisher_model(model: str) -> str:
    """The resource name of a model, without project and location."""
    return f"publishers/{PUBLISHER}/models/{model}"


def project_model(project: str, location: str, model: str) -> str:
    """The resource name of a model in a project, unless `model` is a resource name already."""
    if _RESOURCE.fullmatch(model) and model.startswith("projects/"):
        return model
    within = model if model.startswith("publishers/") else publisher_model(model)
    return f"projects/{project}/locations/{location}/{within}"
