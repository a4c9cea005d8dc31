"""Tool names and call ids survive the way there and back."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.names import MOST, ToolNames
from tests.translate.rows import shows

LONG = "mcp__a_server_with_a_long_name__" + "a_tool_with_a_name_that_goes_on_and_on" * 2

names_strategy = st.text(min_size=1, max_size=140) | st.from_regex(r"[A-Za-z0-9_-]{1,128}", fullmatch=True)


@shows("name long")
def test_a_long_name_is_shortened_the_same_way_each_time_and_restored() -> None:
    names = ToolNames([LONG, "Read"])
    alias = names.upstream(LONG)
    assert len(alias) <= MOST
    assert alias.startswith("mcp__a_server_with_a_long_name__")
    assert alias == ToolNames([LONG]).upstream(LONG) == ToolNames().upstream(LONG)
    assert names.client(alias) == LONG
    assert names.is_known(alias)
    assert not names.is_known(LONG)


@shows("name illegal")
def test_a_name_that_hosts_refuse_becomes_a_legal_one() -> None:
    for name in ("dots.and:colons", "1st", "-x", "später", "with space"):
        alias = ToolNames([name]).upstream(name)
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", alias)
        assert alias != name


def test_a_plain_name_stays_and_an_unknown_one_is_left_alone() -> None:
    names = ToolNames(["Read"])
    assert names.upstream("Read") == "Read"
    assert names.client("Nobody") == "Nobody"
    assert not names.is_known("Rea")


def test_an_alias_never_takes_the_name_of_a_real_tool() -> None:
    alias = ToolNames().upstream(LONG)
    names = ToolNames([LONG, alias])
    assert names.upstream(alias) == alias
    assert names.upstream(LONG) not in {alias, LONG}
    assert names.client(names.upstream(LONG)) == LONG
    late = ToolNames([LONG])
    assert late.upstream(alias) != alias
    assert late.client(late.upstream(alias)) == alias


@given(st.lists(names_strategy, max_size=8), st.lists(names_strategy, max_size=4))
def test_any_names_round_trip(known: list[str], later: list[str]) -> None:
    names = ToolNames(known)
    told = {name: names.upstream(name) for name in [*known, *later]}
    assert len(set(told.values())) == len(told)
    for name, upstream in told.items():
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", upstream)
        assert names.client(upstream) == name


@shows("list tool_ids")
def test_ids_of_any_form_fit_the_client_and_come_back() -> None:
    names = ToolNames()
    packed = names.client_id("functions.Read:0")
    assert re.fullmatch(r"[A-Za-z0-9_-]+", packed)
    assert ToolNames().upstream_id(packed) == "functions.Read:0"
    assert names.client_id("call_abc-1") == "call_abc-1"


def test_an_id_that_the_conversation_already_has_is_told_apart_for_the_client_only() -> None:
    first = ToolNames().client_id("call_0")
    second = ToolNames(used_ids=[first]).client_id("call_0")
    third = ToolNames(used_ids=[first, second]).client_id("call_0")
    assert len({first, second, third}) == 3
    assert [ToolNames().upstream_id(i) for i in (first, second, third)] == ["call_0"] * 3


@given(st.text(max_size=250), st.integers(0, 3))
def test_any_id_round_trips(call_id: str, repeated: int) -> None:
    used: list[str] = []
    for _ in range(repeated + 1):
        client = ToolNames(used_ids=used).client_id(call_id)
        assert re.fullmatch(r"[A-Za-z0-9_-]+", client)
        assert client not in used
        used.append(client)
    expected = call_id if "\x1f" not in call_id else None
    for client in used:
        back = ToolNames().upstream_id(client)
        assert expected is None or back == expected or not call_id


@given(st.text(max_size=80))
def test_any_id_fits_a_host_that_wants_nine_signs(call_id: str) -> None:
    told = ToolNames(ids="nine").upstream_id(call_id)
    assert re.fullmatch(r"[A-Za-z0-9]{9}", told)
    assert ToolNames(ids="nine").upstream_id(told) == told


def test_what_only_looks_packed_stays_as_it_is() -> None:
    for call_id in ("toolu_or_", "toolu_or_!!", "toolu_or_a", "toolu_or__w"):
        assert ToolNames().upstream_id(call_id) == call_id
