"""Resource names of models and spellings of keys."""

from __future__ import annotations

import pytest
from dragoman_service.dialects.google.keys import camel_case
from dragoman_service.dialects.google.names import model_names, project_model, publisher_model


@pytest.mark.parametrize(
    ("resource", "names"),
    [
        ("projects/p/locations/l/publishers/google/models/text-bison", ("text-bison",)),
        ("projects/p/locations/l/publishers/google/models/text-bison@002", ("text-bison@002", "text-bison")),
        ("publishers/google/models/local/tiny", ("local/tiny",)),
        ("publishers/meta/models/llama@1", ("meta/llama@1", "meta/llama", "llama@1", "llama")),
        ("projects/p/locations/l/models/7", ("7",)),
        ("models/gemini-2.5-flash", ("gemini-2.5-flash",)),
        ("gemini-2.5-flash", ("gemini-2.5-flash",)),
        ("local/tiny:q8", ("local/tiny:q8",)),
        ("@", ("@",)),
        ("", ("",)),
        ("models/", ("models/",)),
    ],
)
def test_a_resource_name_is_looked_up_with_and_without_its_version(resource: str, names: tuple[str, ...]) -> None:
    assert model_names(resource) == names


def test_a_model_has_a_name_of_its_own_and_one_in_a_project() -> None:
    assert publisher_model("m") == "publishers/google/models/m"
    assert project_model("p", "l", "m") == "projects/p/locations/l/publishers/google/models/m"
    assert project_model("p", "l", "publishers/x/models/m") == "projects/p/locations/l/publishers/x/models/m"
    assert project_model("p", "l", "projects/q/locations/k/models/7") == "projects/q/locations/k/models/7"


@pytest.mark.parametrize(
    ("key", "camel"),
    [("struct_val", "structVal"), ("structVal", "structVal"), ("int64_val", "int64Val"), ("a", "a"), ("", "")],
)
def test_both_spellings_of_a_key_are_one(key: str, camel: str) -> None:
    assert camel_case(key) == camel
