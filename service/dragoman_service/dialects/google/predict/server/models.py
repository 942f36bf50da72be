"""Encodes models as the vendor's clients know their own."""

from __future__ import annotations

from dragoman.dialect.google.aiplatform import v1 as a

from dragoman_service.dialects.google.predict.families import Family

_SCHEMA = "gs://google-cloud-aiplatform/schema/predict/instance/{family}_generation_1.0.0.yaml"


def encode_model(resource: str, family: Family) -> a.PublisherModel:
    """The model with that resource name, `publishers/P/models/M`."""
    name, _, version = resource.partition("@")
    return a.PublisherModel(
        name=name,
        version_id=version,
        publisher_model_template=f"projects/{{user-project}}/locations/{{location}}/{resource}",
        predict_schemata=a.PredictSchemata(instance_schema_uri=_SCHEMA.format(family=family.value)),
    )
