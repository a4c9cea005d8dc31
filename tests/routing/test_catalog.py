"""The listing: what is read, what is forgiven, and what a usage costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.routing.catalog import Catalog, dump, load, parse_models
from claude_or.wire.events import Usage


def entry(slug: str = "acme/one", **fields: Any) -> dict[str, Any]:
    """A listed model of the host's form, with some fields replaced."""
    return {
        "id": slug,
        "canonical_slug": slug.partition(":")[0] + "-20260908",
        "name": "Acme: One",
        "context_length": 1_048_576,
        "created": 1_793_000_000,
        "description": "Text of which nothing is kept.",
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"], "tokenizer": "Other"},
        "pricing": {"prompt": "0.0000006", "completion": "0.0000022", "input_cache_read": "0.00000011", "image": "0"},
        "top_provider": {"context_length": 202_752, "max_completion_tokens": 131_072, "is_moderated": False},
        "supported_parameters": ["max_tokens", "reasoning", "tools"],
        "expiration_date": None,
        "reasoning": {
            "mandatory": False,
            "default_enabled": True,
            "default_effort": "high",
            "supported_efforts": ["high"],
        },
        **fields,
    }


def listing(*entries: Any) -> Catalog:
    return parse_models(msgspec.json.encode({"data": list(entries), "links": {"next": None}}), 5.0)


def test_limits_are_those_of_the_first_provider_when_they_are_smaller() -> None:
    (model,) = listing(entry()).models
    assert (model.window, model.max_output) == (202_752, 131_072)
    assert (model.tools, model.images, model.reasons, model.is_free) == (True, True, True, False)


@pytest.mark.parametrize("unknown", [None, 0, -1, "", "many", True, [], 1.5])
def test_every_form_of_unknown_is_none(unknown: Any) -> None:
    top = {"context_length": unknown, "max_completion_tokens": unknown}
    (model,) = listing(entry(top_provider=top, context_length=unknown)).models
    assert (model.window, model.max_output) == (None, None)
    (model,) = listing(entry(top_provider=top)).models
    assert model.window == 1_048_576


@pytest.mark.parametrize("rate", ["-1", -1, None, "NaN", "Infinity", "free", True, {}])
def test_a_price_that_is_none_of_a_number_is_unknown_not_zero(rate: Any) -> None:
    catalog = listing(entry(pricing={"prompt": rate, "completion": "0.1"}))
    assert catalog.models[0].price.rates.prompt is None
    assert catalog.price("acme/one", Usage(input_tokens=1)) is None
    assert not catalog.models[0].is_free


def test_bad_entries_are_skipped_and_counted() -> None:
    catalog = listing(entry(), {"name": "no id"}, {"id": 5}, {"id": " "}, "text", None, entry("acme/two"))
    assert (catalog.slugs, catalog.skipped) == (("acme/one", "acme/two"), 5)


@pytest.mark.parametrize("raw", [b"", b"<html>", b"{}", b'{"data":{}}', b"[]", b'{"data":[{]}'])
def test_what_is_no_listing_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_models(raw, 0.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["", "a", "-1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["", "a", "-1"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(entry(), JSON)))
def test_no_form_of_any_field_breaks_the_listing(fields: dict[str, Any]) -> None:
    catalog = listing({"id": "acme/odd", **fields}, entry())
    assert len(catalog.models) + catalog.skipped == 2
    again = load(dump(catalog))
    assert again
    assert again.models == catalog.models


def test_lookup_knows_variants_presets_and_permanent_names() -> None:
    catalog = listing(
        entry("acme/one:free"), entry("acme/one"), entry("~acme/latest", alias_target={"slug": "acme/one"})
    )
    found = {name: getattr(catalog.get(name), "slug", None) for name in (
        "acme/one", "acme/one:free", "acme/one:nitro", "acme/one-20260908", "acme/one-20260908:free",
        "acme/one-20260908:floor", "acme/one@preset/mine", "~acme/latest", "acme/one:batch", "acme/none", "acme/none:nitro", "",
    )}  # fmt: skip
    assert found == {
        "acme/one": "acme/one",
        "acme/one:free": "acme/one:free",
        "acme/one:nitro": "acme/one",
        "acme/one-20260908": "acme/one",
        "acme/one-20260908:free": "acme/one:free",
        "acme/one-20260908:floor": "acme/one",
        "acme/one@preset/mine": "acme/one",
        "~acme/latest": "~acme/latest",
        "acme/one:batch": None,
        "acme/none": None,
        "acme/none:nitro": None,
        "": None,
    }
    assert catalog.models[2].alias_target == "acme/one"


def test_a_free_listing_is_not_taken_for_the_paid_one() -> None:
    assert listing(entry("acme/one")).get("acme/one:free") is None


def test_a_usage_is_priced_to_the_last_digit() -> None:
    usage = Usage(input_tokens=1000, output_tokens=10, cache_read_input_tokens=100, cache_creation_input_tokens=7)
    expected = (
        1000 * Decimal("0.0000006") + 10 * Decimal("0.0000022") + 100 * Decimal("0.00000011") + 7 * Decimal("0.0000006")
    )
    assert listing(entry()).price("acme/one", usage) == expected


def test_overrides_start_at_their_prompt_size_and_the_later_one_wins() -> None:
    pricing = {
        "prompt": "1",
        "completion": "2",
        "overrides": [
            {"min_prompt_tokens": 100, "prompt": "3"},
            {"min_prompt_tokens": 200, "prompt": "5", "completion": "7"},
            {"utc_start": 0, "utc_end": 6, "prompt": "0.5"},
        ],
    }
    catalog = listing(entry(pricing=pricing))
    costs = [catalog.price("acme/one", Usage(input_tokens=n, output_tokens=1)) for n in (99, 100, 200)]
    assert costs == [99 + 2, 300 + 2, 1000 + 7]
    cached = Usage(input_tokens=50, cache_read_input_tokens=50)
    assert catalog.price("acme/one", cached) == 300


def test_searches_of_the_host_have_their_price_where_it_is_listed() -> None:
    usage = Usage(input_tokens=10, web_search_requests=3)
    rates = {"prompt": "1", "completion": "2"}
    assert listing(entry(pricing={**rates, "web_search": "0.01"})).price("acme/one", usage) == Decimal("10.03")
    assert listing(entry(pricing=rates)).price("acme/one", usage) == 10


def test_an_unlisted_model_has_no_price_and_no_window() -> None:
    assert Catalog().price("a/b", Usage()) is None
    assert Catalog().window_of("a/b") is None
    assert listing(entry()).window_of("acme/one:nitro") == 202_752


def test_the_cache_form_returns_what_was_put_in() -> None:
    catalog = parse_models(
        msgspec.json.encode({"data": [entry(), 5]}), 7.5, etag='W/"x"', base_url="https://h/v1", source="/models/user"
    )
    again = load(dump(catalog))
    assert again
    assert vars(again).items() >= {
        "models": catalog.models, "fetched_at": 7.5, "skipped": 1, "etag": 'W/"x"', "base_url": "https://h/v1",
        "source": "/models/user",
    }.items()  # fmt: skip


@pytest.mark.parametrize("raw", [b"", b"null", b"{}", dump(Catalog()).replace(b'"format":1', b'"format":99')])
def test_another_form_in_the_cache_counts_as_no_cache(raw: bytes) -> None:
    assert load(raw) is None


def test_nearest_suggests_listed_slugs() -> None:
    assert listing(entry("z-ai/glm-5.3"), entry("x-ai/grok-4.7")).nearest("glm5.3") == ("z-ai/glm-5.3",)
