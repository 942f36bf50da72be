"""Mistakes in the settings of `patterns` are told with their place and their cure."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import re2
from dragoman_service.filters.safety.folding.folding import Folding
from dragoman_service.filters.safety.matching.expressions import ExpressionError, translate
from dragoman_service.filters.safety.matching.finders import pattern
from dragoman_service.filters.safety.patterns.settings import PatternsSettings
from dragoman_service.plugins.plugins import prepare
from dragoman_service.settings.settings import SettingsError, load
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

FOLDING = Folding()


@pytest.mark.parametrize(
    ("source", "least", "most"),
    [
        ("abc", 3, 3),
        ("a|bc|", 0, 2),
        ("(ab){2,3}c?", 4, 7),
        ("(?P<n>a)(?:b)(?i:C)", 3, 3),
        ("(?i)x{3}", 3, 3),
        (r"^\bword\b$", 4, 4),
        (r"[^]a-z]\d\pL\p{Greek}.", 5, 5),
        (r"\x41\x{42}\101\.", 4, 4),
        ("x{,3}", 5, 5),
        ("[a-]{2}[[:alpha:]]", 3, 3),
        ("ß{2}", 4, 4),
        ("(a?){3}", 0, 3),
        ("a+?b", 2, None),
    ],
)
def test_the_longest_match_is_computed(source, least, most):
    measured = translate(source, FOLDING.plain)

    assert measured.least == least
    assert measured.most == most or (most is None and measured.most > 10_000)


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^b]", r"\pL", r"\x61", "é", "É"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["?", "{2}", "{1,3}", "{0,2}?"])).map(lambda one: f"(?:{one[0]}){one[1]}"),
        st.lists(inner, min_size=2, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda some: f"({'|'.join(some)})"),
    ),
    max_leaves=6,
)


@settings(max_examples=100)
@given(EXPRESSIONS, st.text("abe", max_size=24))
def test_no_match_is_longer_than_that(source, text):
    measured = translate(source, FOLDING.plain)
    options = re2.Options()
    options.longest_match = True
    found = re2.compile(measured.source, options).fullmatch(text)

    assert found is None or measured.least <= len(text) <= measured.most


@pytest.mark.parametrize(
    ("source", "folded"),
    [("Ａ", "a"), ("[A-ZÄ]", "[a-za]"), ("É+", "e+"), ("ß", "(?:ss)"), (r"\$\x41", r"\$a"), ("ﬁ", "(?:fi)")],
)
def test_a_pattern_is_folded_like_the_text(source, folded):
    assert translate(source, FOLDING.plain).source == folded


@pytest.mark.parametrize(
    ("source", "cure"),
    [
        ("a(b", "not a valid RE2 expression: missing )"),
        (r"(a)\1", "not a valid RE2 expression"),
        (r"\Abc", "write ^"),
        (r"bc\z", "write $"),
        ("[ß]", "write (?:"),
        (r"\p{Lu}", "capital letters"),
        ("(?m)a", "remove the flag m"),
        ("a?", "matches the empty text"),
    ],
)
def test_what_cannot_be_used_is_told_with_its_cure(source, cure):
    with pytest.raises(ExpressionError, match=re.escape(cure)):
        pattern(0, source, FOLDING)


@pytest.mark.parametrize(
    ("category", "message"),
    [
        ({}, "categories.arms.words: is required"),
        (
            {"patterns": ["ok", "a.*b"]},
            "categories.arms.patterns.1: has no longest match .* as in {0,40} in place of *",
        ),
        ({"patterns": ["a{300}"]}, "patterns.0: matches up to 300 characters, more than window (256)"),
        ({"words": ["\u200b"]}, "arms.words: '\\u200b' has no visible character"),
        ({"words": ["a"], "severity": "huge"}, "severity"),
        ({"words_file": "/nowhere/list.txt"}, "the file cannot be read: No such file or directory"),
    ],
)
def test_a_mistake_names_its_place(category, message):
    with pytest.raises(ValidationError, match=".*".join(map(re.escape, message.split(" .* ")))):
        PatternsSettings(categories={"arms": category})


def test_words_come_from_a_file_too(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("# a comment\n\n bomb \nwasser stoff\n")
    settings = PatternsSettings(categories={"arms": {"words": ["gun"], "words_file": str(file)}})

    assert settings.categories["arms"].entries == ["gun", "bomb", "wasser stoff"]


def test_the_settings_file_is_told_with_the_whole_path():
    table = {"plugin": "patterns", "categories": {"arms": {"patterns": ["a.*b"]}}}
    with pytest.raises(SettingsError) as caught:
        prepare(load(overrides={"filters.house": table}), [])

    assert [mistake.path for mistake in caught.value.mistakes] == ["filters.house.categories.arms.patterns.0"]


def test_the_page_shows_tables_that_are_accepted():
    page = (Path(__file__).parents[3] / "docs" / "safety.md").read_text()
    tables = "\n".join(re.findall(r"```toml\n(.*?)```", page, re.S))
    filters = prepare(load(environ={"OPENAI_API_KEY": "k"}, overrides=tomllib.loads(tables)), []).filters
    house, judge = (one.settings for one in filters if one.name != "metering")

    assert [category.action for category in house.categories.values()] == ["block", "redact", "annotate"]
    assert (judge.interval, judge.timeout, judge.api_key.get_secret_value()) == (800, 5, "k")
