"""Where one JSON object begins and ends, in whatever pieces it comes."""

from __future__ import annotations

import itertools
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.arguments import Arguments

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), JSON, min_size=1, max_size=3)


def fed(pieces: list[str]) -> tuple[Arguments, str]:
    arguments = Arguments()
    return arguments, "".join(arguments.feed(piece) for piece in pieces)


def cut(text: str, places: list[int]) -> list[str]:
    return [text[a:b] for a, b in itertools.pairwise([0, *sorted(p % (len(text) + 1) for p in places), len(text)])]


@given(OBJECTS, st.lists(st.integers(0, 1000), max_size=6), st.sampled_from(["", " \n", "}", "{}", "</call>"]))
def test_an_object_passes_unchanged_and_its_end_is_seen(value: Any, places: list[int], after: str) -> None:
    whole = msgspec.json.encode(value).decode()
    arguments, sent = fed(cut(whole + after, places))
    assert sent == whole
    assert arguments.complete
    assert arguments.valid()
    assert arguments.excess() == after.strip()


@given(OBJECTS, st.lists(st.integers(0, 1000), max_size=6))
def test_an_object_inside_a_string_is_taken_out(value: Any, places: list[int]) -> None:
    whole = msgspec.json.encode(value).decode()
    arguments, sent = fed(cut(msgspec.json.encode(whole).decode(), places))
    assert sent == ""
    assert arguments.settle() == whole
    assert arguments.valid()


@given(st.text(max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_no_text_is_too_odd(text: str, places: list[int]) -> None:
    arguments, sent = fed(cut(text, places))
    sent += arguments.settle()
    assert sent == arguments.text
    if arguments.valid() and sent:
        assert isinstance(msgspec.json.decode(sent), dict)


@pytest.mark.parametrize("piece", ["{}" * 50_000, "{" * 100_000, '{"a":' * 50_000, "\n" * 100_000])
def test_floods_neither_crash_nor_hang(piece: str) -> None:
    arguments, _ = fed([piece])
    arguments.settle()
    arguments.valid()


def test_a_long_string_in_small_pieces_takes_linear_time() -> None:
    def cost(count: int) -> float:
        pieces = ['{"content":"', *(["a line\\n"] * count), '"}']
        start = time.process_time()
        arguments, _ = fed(pieces)
        assert arguments.valid()
        return time.process_time() - start

    small = min(cost(5_000) for _ in range(3))
    assert cost(50_000) < 40 * small + 0.05


BEGUN = [
    ("{", True),
    ('{"a', True),
    ('{"a":', True),
    ('{"a":1,', True),
    ('{"a":[1,{"b', True),
    ('{"a":"\\u12', True),
    ('{"a": tru', True),
    ('{"a": -', True),
    ('{"a": 1.', True),
    ('{"a": 1e', True),
    ('{"a": 1.5e-', True),
    ('{"text": "1.e tx', True),
    ("{{}", False),
    ("{,", False),
    ('{"a" 1', False),
    ('{"a":tx', False),
    ('{"a":01', False),
    ('{"a":1.e', False),
    ("{a", False),
]


@pytest.mark.parametrize(("text", "begun"), BEGUN, ids=[text for text, _ in BEGUN])
def test_what_the_length_limit_cut_must_be_the_beginning_of_an_object(text: str, begun: bool) -> None:
    arguments = Arguments()
    arguments.feed(text)
    arguments.settle()

    assert arguments.is_begun is begun


def test_a_whole_object_is_not_begun() -> None:
    arguments = Arguments()
    arguments.feed('{"a": 1}')

    assert not arguments.is_begun
