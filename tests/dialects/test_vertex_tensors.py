"""Tensors and values: one plain form of all, however they were written."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman_service.dialects.google.predict import values
from dragoman_service.dialects.google.predict.tensors import json_of, plain_of, plain_of_json, tensor_of
from dragoman_service.dialects.message_json import plain_value
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

SCALARS = (
    st.text(max_size=5)
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
# An empty list or dictionary, and a list of one, cannot be told from None and from a value alone.
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text(max_size=3), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_a_value_is_the_same_as_a_message_and_in_json(value: Any) -> None:
    assert plain_of(tensor_of(value)) == value
    assert plain_of_json(json_of(value), "inputs") == value


@given(PLAIN)
def test_our_json_is_that_of_protobuf(value: Any) -> None:
    parsed = json_format.ParseDict(json_of(value), a.Tensor())

    assert parsed == tensor_of(value)


@pytest.mark.parametrize(
    ("tree", "value"),
    [
        ({"string_val": ["a"]}, "a"),
        ({"stringVal": "a"}, "a"),
        ({"float_val": 0.8}, 0.8),
        ({"int_val": 1024}, 1024),
        ({"int64_val": "5"}, 5),
        ({"intVal": 5.0}, 5),
        ({"bool_val": [False]}, False),
        ({"dtype": "STRING", "shape": ["1"], "string_val": ["a"]}, "a"),
        ({"dtype": 2, "string_val": ["a", "b"]}, ["a", "b"]),
        ({"list_val": [{"string_val": ["a"]}, {}]}, ["a", None]),
        ({"list_val": {"string_val": ["a"]}}, ["a"]),
        ({"struct_val": {"top_k": {"int_val": 3}}}, {"top_k": 3}),
        ({"structVal": {"a": {}, "b": None}}, {"a": None, "b": None}),
        ({"string_val": []}, None),
        ({}, None),
        (None, None),
    ],
)
def test_json_is_read_as_programs_write_it(tree: Any, value: Any) -> None:
    assert plain_of_json(tree, "inputs") == value


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ("text", "x: must be a tensor"),
        ({"prompt": "a"}, "x.prompt: is not a field of a tensor; values by name are in struct_val"),
        ({"string_val": ["a"], "int_val": [1]}, "x: holds intVal and stringVal; set only one of them"),
        ({"struct_val": {"a": {"int_val": [True]}}}, "x.a.intVal: holds a value of another type"),
        ({"int_val": 0.5}, "x.intVal: holds a value of another type"),
        ({"int64_val": "9" * 400}, "x.int64Val: holds a value of another type"),
        ({"string_val": [5]}, "x.stringVal: holds a value of another type"),
        ({"list_val": [{"bool_val": 1}]}, "x[0].boolVal: holds a value of another type"),
        ({"struct_val": []}, "x.structVal: must be an object"),
    ],
)
def test_a_mistake_names_its_place(tree: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message follows
        plain_of_json(tree, "x")

    assert str(caught.value).startswith(message)


def test_a_number_of_32_bits_is_as_it_was_written() -> None:
    assert plain_of(a.Tensor(float_val=[0.8])) == 0.8


def test_a_value_has_integers_where_a_double_is_one() -> None:
    plain = {"a": [1, 0.5, "b", True, None, {}], "c": 2**60}

    assert plain_value(values.value_of(plain)) == {**plain, "c": float(2**60)}
