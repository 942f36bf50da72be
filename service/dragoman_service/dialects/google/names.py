"""Names of Google Cloud: packages, resources of models, families of models."""

from __future__ import annotations

import re
from collections.abc import Mapping

AIPLATFORM = "google.cloud.aiplatform.v1"

_TWINS = "dragoman/dialect/google/aiplatform/v1"
PACKAGES: Mapping[str, str] = {
    f"{_TWINS}/{file}.proto": AIPLATFORM
    for file in ("model_garden_service", "prediction", "prediction_service", "tensor")
}
"""The vendor's package for each file of wire twins."""

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
