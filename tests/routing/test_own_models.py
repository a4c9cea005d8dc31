"""What hosts of the user's own say about their models."""

from __future__ import annotations

import msgspec
import pytest

from claude_or.routing.own_models import listed_models, listed_name


@pytest.mark.parametrize(
    "fields",
    [
        {"max_model_len": 4096},
        {"context_window": 4096},
        {"context_length": 4096.0},
        {"max_context_length": 4096},
        {"max_model_len": None, "meta": {"n_ctx": 4096, "n_ctx_train": 131_072}},
    ],
)
def test_the_window_is_read_by_each_name_that_hosts_give_it(fields: dict[str, object]) -> None:
    raw = msgspec.json.encode({"object": "list", "data": [{"id": "a/b", **fields}, {"id": "plain"}]})
    assert listed_models(raw) == {"a/b": 4096, "plain": None}


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"[]", b'{"data": {}}', b'{"data": [1, {}, {"id": " "}]}', b"[" * 5000]
)
def test_what_is_no_list_names_nobody(raw: bytes) -> None:
    assert listed_models(raw) == {}


def test_a_tag_that_a_host_adds_by_itself_may_be_missing() -> None:
    listed = {"coder:latest": None, "coder:30b": 5}
    assert [listed_name(name, listed) for name in ("coder", "coder:30b", "other")] == [
        "coder:latest",
        "coder:30b",
        None,
    ]
