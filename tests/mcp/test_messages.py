"""Rewriting messages changes what must change and not one value more."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from claude_or.mcp.messages import line, number_of, parse, progress_token, raw, with_id, with_param, with_progress_token

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
ids = st.integers() | st.text()
extras = st.dictionaries(
    st.text(min_size=1).filter(lambda name: name not in {"id", "method", "params"}), values, max_size=3
)


@given(ids, extras, st.dictionaries(st.text(), values, max_size=3), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_only_the_id_and_the_token_change(
    id_: Any, extra: dict[str, Any], meta: dict[str, Any], indent: Any, escaped: bool
) -> None:
    params = {"name": "x\n", **extra, "_meta": {**meta, "progressToken": id_}}
    message = {**extra, "jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": params}
    (parsed,) = parse(json.dumps(message, indent=indent, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))
    token = progress_token(parsed.fields)
    assert token is not None
    assert json.loads(bytes(token)) == id_
    sent = line(with_progress_token(with_id(parsed.fields, 7), 8))

    assert b"\n" not in sent
    assert b"\r" not in sent
    wanted = {**message, "id": 7, "params": {**params, "_meta": {**meta, "progressToken": 8}}}
    assert json.loads(sent.decode("utf-8", "surrogatepass")) == wanted


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd_to_be_looked_at(data: bytes) -> None:
    for message in parse(data):
        line(with_param(with_id(message.fields, 1), "x", raw(1)))


@given(st.integers(0, 10**12))
def test_an_id_of_ours_is_known_in_every_form_in_which_it_comes_back(id_: int) -> None:
    assert {number_of(raw(form)) for form in (id_, str(id_), float(id_))} == {id_}


@given(st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.booleans() | st.just("9" * 5000))
def test_what_is_no_id_of_ours_is_no_number(value: Any) -> None:
    number = number_of(raw(value))
    assert number is None or float(value) == number


def test_each_kind_is_known_by_its_fields() -> None:
    lines = {
        b'{"jsonrpc":"2.0","id":1,"method":"ping"}': "request",
        b'{"jsonrpc":"2.0","method":"notifications/x"}': "notification",
        b'{"jsonrpc":"2.0","id":null,"method":"notifications/x"}': "notification",
        b'{"result":{},"jsonrpc":"2.0","id":"a"}': "response",
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}': "response",
    }
    assert {data: parse(data)[0].kind for data in lines} == lines
    assert [message.kind for message in parse(b"[" + b",".join(lines) + b"]")] == list(lines.values())
    for nothing in (b"", b"1", b"{}", b'{"method":1}', b'{"jsonrpc":"2.0"', b"null", b'{"id":1}'):
        assert parse(nothing) == []
