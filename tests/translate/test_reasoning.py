"""Reasoning that comes back byte for byte, and signatures that are refused rather than misread."""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.reasoning import (
    LIMIT,
    PREFIX,
    ReasoningCarry,
    assemble,
    open_signature,
    pack,
    readable,
    unpack,
)


def entry(kind: str = "text", **fields: Any) -> dict[str, Any]:
    """A reasoning detail."""
    return {"type": f"reasoning.{kind}", **fields}


def carried(*pieces: dict[str, Any]) -> list[dict[str, Any]] | None:
    """What comes back of pieces that were all shown."""
    carry = ReasoningCarry(family="f", slug="f/m")
    visible = carry.add(pieces)
    return unpack(carry.seal(visible), visible, family="f")


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        pytest.param([entry(text="a"), entry(text="b")], [entry(text="ab")], id="consecutive texts join"),
        pytest.param(
            [entry(text="a", format="x"), entry(text="b", format="y", signature="S"), entry(signature="T")],
            [entry(text="ab", format="x", signature="S")],
            id="the first signature and the first format stay",
        ),
        pytest.param(
            [entry(text="a", signature=""), entry(text="b", signature=None), entry(signature="S")],
            [entry(text="ab", signature="S")],
            id="an empty signature is none",
        ),
        pytest.param(
            [entry(text="a", index=0), entry(text="b", index=1)],
            [entry(text="a", index=0), entry(text="b", index=1)],
            id="another index is another entry",
        ),
        pytest.param(
            [entry(text="a", id="x"), entry(text="b", id="y")],
            [entry(text="a", id="x"), entry(text="b", id="y")],
            id="another id is another entry",
        ),
        pytest.param(
            [entry(text="a", signature="S"), entry(text="b", signature="T")],
            [entry(text="a", signature="S"), entry(text="b", signature="T")],
            id="text after a Claude signature is a new entry",
        ),
        pytest.param(
            [entry(text="a", signature="S", format="google-gemini-v1"), entry(text="b", format="google-gemini-v1")],
            [entry(text="ab", signature="S", format="google-gemini-v1")],
            id="other formats sign along the way",
        ),
        pytest.param(
            [entry(text="a", index=0), entry("encrypted", data="e", index=1), entry(signature="S", index=0)],
            [entry(text="a", index=0, signature="S"), entry("encrypted", data="e", index=1)],
            id="a late signature finds its text",
        ),
        pytest.param(
            [entry(text="a", index=0, signature="S"), entry(signature="T", index=None)],
            [entry(text="a", index=0, signature="S"), entry(signature="T", index=None)],
            id="a signature of nobody stands alone",
        ),
        pytest.param(
            [entry(text="a"), entry("encrypted", data="e"), entry(text="b")],
            [entry(text="a"), entry("encrypted", data="e"), entry(text="b")],
            id="not across another entry",
        ),
        pytest.param(
            [entry("summary", summary="a"), entry("summary", summary="b"), entry(text="c")],
            [entry("summary", summary="ab"), entry(text="c")],
            id="summaries join with summaries",
        ),
        pytest.param(
            [
                entry("encrypted", data="e", id="x"),
                entry("encrypted", data="e", id="x"),
                entry("encrypted", data="g", id="x"),
            ],
            [entry("encrypted", data="e", id="x")],
            id="one entry per id",
        ),
        pytest.param(
            [entry("encrypted", data="e"), entry("encrypted", data="e"), entry("encrypted", data="g")],
            [entry("encrypted", data="e"), entry("encrypted", data="g")],
            id="one entry per data",
        ),
        pytest.param(
            [entry("server_tool_call", tool_name="t", arguments="{}", result="r")],
            [entry("server_tool_call", tool_name="t", arguments="{}", result="r")],
            id="server tool calls pass",
        ),
        pytest.param([{"kind": "odd"}], [{"kind": "odd"}], id="unknown entries pass"),
        pytest.param([entry(text="", index=0)], [], id="an entry that stays empty is none"),
        pytest.param([], [], id="an empty array comes back empty"),
        pytest.param(
            [entry(text="a"), entry(text="[REDACTED]"), entry(text="b")],
            [entry(text="a"), entry(text="[REDACTED]b")],
            id="a redacted text is an entry of its own",
        ),
        pytest.param([entry(text=3), entry(text="a")], [entry(text="a")], id="a text that is none"),
    ],
)
def test_pieces_become_the_array_that_is_wanted_back(pieces: list[dict[str, Any]], whole: list[dict[str, Any]]) -> None:
    assert carried(*pieces) == whole
    assert [one for one in assemble(pieces) if one != entry(text="", index=0)] == whole


def test_visible_text_is_not_stored_twice() -> None:
    text = random.Random(1).randbytes(40_000).hex()
    shown = pack([entry(text=text, signature="S")], text, family="f", slug="f/m")
    assert len(shown) < 400
    assert unpack(shown, text, family="f") == [entry(text=text, signature="S")]
    hidden = pack([entry(text=text, signature="S")], "", family="f", slug="f/m")
    assert unpack(hidden, "", family="f") == [entry(text=text, signature="S")]


def test_the_order_of_fields_comes_back() -> None:
    details = [{"format": "x", "text": "ab", "type": "reasoning.text", "index": 0}]
    back = unpack(pack(details, "ab", family="f", slug="f/m"), "ab", family="f")
    assert back is not None
    assert [list(one) for one in back] == [["format", "text", "type", "index"]]


def test_a_signature_is_for_its_family_only() -> None:
    signature = pack([entry(text="a")], "a", family="google", slug="google/x", host="Vertex")
    assert unpack(signature, "a", family="google") == [entry(text="a")]
    assert unpack(signature, "a", family="openai") is None
    opened = open_signature(signature, "a", family="google")
    assert opened is not None
    assert (opened.slug, opened.host, opened.text) == ("google/x", "Vertex", "a")


def test_altered_text_is_not_replayed() -> None:
    assert unpack(pack([entry(text="a")], "a", family="f", slug="s"), "b", family="f") is None
    carry = ReasoningCarry(family="f", slug="s")
    plain = carry.seal("shown", "shown")
    assert open_signature(plain, "altered", family="f") is None


def test_plain_text_comes_back_as_text() -> None:
    for visible in ("thought", ""):
        signature = ReasoningCarry(family="f", slug="s").seal(visible, "thought")
        opened = open_signature(signature, visible, family="f")
        assert opened is not None
        assert (opened.details, opened.text) == (None, "thought")


def signed(packed: bytes) -> str:
    """A signature whose checksum is right, whatever it holds."""
    return PREFIX + base64.b64encode(hashlib.sha256(packed).digest()[:8] + packed).decode()


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "EuYBCkQYAiJAc2FtcGxl",
        PREFIX,
        PREFIX + "!!",
        PREFIX + "YWJj",
        PREFIX + "ü",
        signed(b"no zlib"),
        signed(zlib.compress(b"no json")),
        signed(zlib.compress(b"[]")),
        signed(zlib.compress(b"[" * 1_000_000)),
        signed(zlib.compress(b" " * 100_000_000)),
    ],
    ids=range(11),
)
def test_what_is_not_ours_or_damaged_is_refused(signature: str) -> None:
    assert unpack(signature, "", family="f") is None


@given(st.data())
def test_any_damage_is_noticed(data: st.DataObject) -> None:
    signature = pack([entry("encrypted", data="secret", id="x")], family="f", slug="s")
    at = data.draw(st.integers(0, len(signature) - 1))
    other = data.draw(st.sampled_from("AZaz09+/=.").filter(lambda char: char != signature[at]))
    damaged = signature[:at] + other + signature[at + 1 :]
    # The last character before padding may hold bits that base64 ignores: then nothing was damaged.
    assert unpack(damaged, "", family="f") in (None, [entry("encrypted", data="secret", id="x")])
    assert unpack(signature[:at], "", family="f") is None


def test_over_the_limit_encrypted_and_newest_are_kept() -> None:
    noise = random.Random(2)
    texts = [entry(text=noise.randbytes(60_000).hex(), index=i) for i in range(6)]
    secrets = [entry("encrypted", data=noise.randbytes(60_000).hex(), index=i) for i in range(3)]
    carry = ReasoningCarry(family="f", slug="s")
    carry.add([*texts, *secrets])
    signature = carry.seal("")
    assert len(signature) <= LIMIT
    kept = unpack(signature, "", family="f") or []
    assert [one for one in kept if one["type"] == "reasoning.encrypted"] == secrets
    assert kept[0] == texts[-1]
    assert carry.losses == [f"reasoning: {9 - len(kept)} of 9 entries left out, over {LIMIT} characters packed"]


def test_over_the_limit_text_that_is_shown_costs_nothing() -> None:
    noise = random.Random(3).randbytes(3000).hex()
    carry = ReasoningCarry(family="f", slug="s", limit=3000)
    visible = carry.add([
        entry(text=noise, index=0),
        entry(signature="S", index=0),
        entry("encrypted", data=noise[::-1]),
    ])
    assert unpack(carry.seal(visible), visible, family="f") == [entry(text=noise, index=0, signature="S")]


def test_a_limit_that_holds_nothing_gives_a_signature_without_entries() -> None:
    carry = ReasoningCarry(family="f", slug="s", limit=10)
    carry.add([entry("encrypted", data="x"), entry("encrypted", data="y")])
    assert unpack(carry.seal(""), "", family="f") == []
    plain = ReasoningCarry(family="f", slug="s", limit=10)
    opened = open_signature(plain.seal("", "long " * 100), "", family="f")
    assert opened is not None
    assert (opened.details, opened.text) == (None, "")
    assert plain.losses


def test_what_packs_worse_than_it_looked_is_dropped_one_by_one() -> None:
    noise = random.Random(4)
    # Nearly incompressible: base64 makes it longer than its JSON, so the first choice is too large.
    dense = ["".join(chr(noise.choice(range(35, 127))) for _ in range(9_500)) for _ in range(12)]
    carry = ReasoningCarry(family="f", slug="s", limit=100_000)
    carry.add([entry("encrypted", data=data) for data in dense])
    carry.add([entry("encrypted", data="".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(100)))])
    signature = carry.seal("")
    assert len(signature) <= 100_000
    kept = unpack(signature, "", family="f") or []
    assert kept[-1]["data"] not in dense
    assert [one["data"] for one in kept[:-1]] == dense[len(dense) - len(kept) + 1 :]


def test_each_seal_holds_what_came_since_the_last() -> None:
    carry = ReasoningCarry(family="f", slug="s")
    assert not carry.pending
    assert not carry.empty_array
    carry.add([])
    assert carry.empty_array
    carry.add([entry(text="a", index=0)])
    assert carry.pending
    assert not carry.empty_array
    first = carry.seal("a")
    assert not carry.pending
    carry.add([entry(signature="S", index=0)])
    second = carry.seal("")
    parts = [*(unpack(first, "a", family="f") or []), *(unpack(second, "", family="f") or [])]
    assert assemble(parts) == [entry(text="a", index=0, signature="S")]


def test_readable_text_of_an_array() -> None:
    details = [
        entry(text="a"),
        entry("summary", summary="b"),
        entry("encrypted", data="c"),
        entry(text="[REDACTED]"),
        {},
    ]
    assert readable(details) == "ab"


DETAILS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["reasoning.text", "reasoning.summary", "reasoning.encrypted", "x", None, ()])},
        optional={
            name: st.text(max_size=4) | st.none() | st.integers() | st.lists(st.integers(), max_size=1)
            for name in ("text", "summary", "data", "signature", "format", "id", "index")
        },
    ),
    max_size=6,
)


@given(DETAILS, st.booleans())
def test_whatever_was_assembled_comes_back_exactly(details: list[dict[str, Any]], shown: bool) -> None:
    plain: list[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(details))
    carry = ReasoningCarry(family="f", slug="f/m", host="H")
    visible = carry.add(plain) if shown else (carry.add(plain), "")[1]
    signature = carry.seal(visible)
    again = ReasoningCarry(family="f", slug="f/m", host="H")
    again.add(plain)
    assert again.seal(visible) == signature
    back = unpack(signature, visible, family="f")
    assert back is not None
    hollow = [one for one in assemble(plain) if one not in back]
    assert [one for one in assemble(plain) if one not in hollow] == back
    assert all(not one.get("data") and not one.get("signature") for one in hollow)
