"""What of a text leaves, and that it never depends on where the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scanning import cut, rules_of, scan, scanner_of

MIXED = rules_of(
    bombs={"words": ["bomb", "bo mb", "爆弹"]},
    marked={"words": ["mob"], "action": "redact", "patterns": ["o{2,3}b"], "replacement": "[…]"},
    again={"patterns": ["bob?o", r"\bm\b"], "action": "redact"},
    noted={"patterns": ["^m.m$", "[^a-z ]b"], "action": "annotate"},
)
PIECES = ["b", "o", "m", "B", " ", "\n", "\u200b", "о", "ｂ", "爆", "弹", "ﬁ", "\u0301", "é", "ß", "!", "bomb", "mob"]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join), st.lists(st.integers(0, 60), max_size=8))
def test_the_result_does_not_depend_on_the_cuts(text: str, places: list[int]) -> None:
    assert scan(MIXED, *cut(text, places)) == scan(MIXED, text)


@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join), st.lists(st.integers(0, 60), max_size=8))
def test_no_more_is_held_back_than_the_longest_match(text: str, places: list[int]) -> None:
    scanner = scanner_of(MIXED)
    fed = left = 0
    for piece in cut(text, places):
        decided = scanner.feed(piece)
        fed += len(scanner.rules.folding.plain(piece))
        left = decided.pieces[-1].end if decided.pieces else left
        if decided.blocked:
            return

        assert fed - len(scanner.rules.folding.plain(text[:left])) <= scanner.rules.reach + 1, (
            "one may be half a ligature"
        )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("make a bomb now", "make a "),
        ("a bombastic text", "a bombastic text"),
        ("bomb", ""),
        ("carbomb", "carbomb"),
        ("no-bomb-here", "no-"),
        ("the bo\n mb", "the "),
        ("古い爆弹です", "古い"),
        ("a mob of bobo", "a *** of ***"),
        ("mob mob,mob", "*** ***,***"),
    ],
)
def test_words_are_whole_words(text: str, shown: str) -> None:
    rules = rules_of(bombs={"words": ["bomb", "bo mb", "爆弹"]}, marked={"words": ["mob", "bobo"], "action": "redact"})

    assert scan(rules, text)[0] == scan(rules, *text)[0] == shown


@pytest.mark.parametrize(
    "disguised",
    [
        "BoMb",
        "ｂｏｍｂ",
        "b\u200bo\u200cm\u200db",
        "bo\u00admb",
        "\u2066b\u2069omb",
        "b\u0336o\u0336m\u0336b\u0336",
        "b\u0301o\u0308m\u20ddb",
        "bоmb",
        "bοmb",
        "ВОMВ",
        "𝐛𝓸𝔪𝖇",
        "ⓑⓞⓜⓑ",
        "🅱🅾🅼🅱",
        "ʙᴏᴍʙ",
        "b\ufe0fomb",
        "bo\x00mb",
        "b\U000e0062omb",
    ],
)
def test_the_usual_disguises_do_not_pass(disguised: str) -> None:
    rules = rules_of(bombs={"words": ["bomb"]}, same={"patterns": ["b[o0]mb"]})
    text = f"Build a {disguised}, quickly."

    assert scan(rules, text) == scan(rules, *text)
    for one in (rules, rules_of(same={"patterns": ["B[o0]mb"]})):
        assert scan(one, *text)[0].rstrip("\u2066") == "Build a "


def test_an_everyday_word_of_another_script_is_no_disguise() -> None:
    rules = rules_of(drugs={"words": ["pot", "coke"]})

    assert not scan(rules, "Открой рот. Персик в соке. РОТ")[1]
    assert scan(rules, "Some роt")[0] == "Some "


def test_words_of_other_scripts_are_found_in_latin_disguise() -> None:
    rules = rules_of(drugs={"words": ["соке", "Ёлка"], "patterns": ["нар[коа]{1,3}тик"]})

    assert scan(rules, "В СОКЕ")[0] == "В "
    assert scan(rules, "в coкe")[0] == "в "
    assert scan(rules, "под ёлка")[0] == scan(rules, "под ЕЛКА")[0] == "под "
    assert scan(rules, "это Наркотик")[0] == scan(rules, "это нapкoтик")[0] == "это "


def test_a_match_that_spans_a_pause_is_found_after_it() -> None:
    rules = rules_of(bombs={"words": ["bomb"]})
    scanner = scanner_of(rules)
    shown = [piece.text for text in ("a bo", "mb of") for piece in (*scanner.feed(text).pieces, *scanner.end().pieces)]

    assert shown == ["a ", "bo"]
    assert scanner.blocked == 0


def test_overlapping_matches_are_replaced_once() -> None:
    rules = rules_of(
        one={"patterns": ["abcd"], "action": "redact", "replacement": "1"},
        two={"patterns": ["cdef"], "action": "redact", "replacement": "2"},
        three={"patterns": ["fgh"], "action": "redact", "replacement": "3"},
    )

    assert scan(rules, "xabcdefghy") == scan(rules, *"xabcdefghy") == ("x1y", False, ["one", "three", "two"])


def test_text_in_which_nothing_can_begin_leaves_at_once() -> None:
    rules = rules_of(
        bombs={"words": ["bomb", "nerve gas"], "patterns": ["pipe.{0,40}bombs?"]},
        addresses={"patterns": [r"\b[a-z0-9._-]{1,64}@[a-z0-9.-]{1,64}\b"], "action": "redact"},
    )
    scanner = scanner_of(rules)
    texts = ("The ", "quick", " club", " or nerve ", "ga", "p, ", "a@b", ".c", " or pipe,", " it", "t" * 40, ".")
    shown = ["".join(piece.text for piece in scanner.feed(text).pieces) for text in texts]

    assert shown == ["The ", "", "quick ", "club or ", "", "nerve gap, ", "", "", "*** or ", "", "pipe, ", ""]
