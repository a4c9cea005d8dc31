"""Plans: fallbacks in their order, preferences value by value, and the model for long requests."""

from __future__ import annotations

from typing import Any

import pytest

from claude_or.config.schema import (
    Fallbacks,
    MaxPrice,
    Models,
    Preferences,
    Provider,
    ProviderModel,
    Settings,
)
from claude_or.routing.catalog import Catalog, ModelInfo
from claude_or.routing.plan import for_length, plan_for
from claude_or.routing.preferences import preferences_for, provider_objects

LOCAL = Provider(base_url="http://127.0.0.1:9/v1", models={"tiny": ProviderModel(context_window=32_000)})
CATALOG = Catalog([ModelInfo(slug="a/short", context=100_000), ModelInfo(slug="a/long", context=1_000_000)])


def settings(**fields: Any) -> Settings:
    """Two models and a host of the user's own."""
    fields = {"models": Models(big="a/short", small="a/small"), "providers": {"lab": LOCAL}, **fields}
    return Settings(**fields)


def slugs(plan: Any) -> list[str]:
    """The routes as `host/slug`, spare ones in brackets."""
    return [f"[{r.slug}]" if r.spare else f"{r.provider}/{r.slug}" for r in plan.routes]


def test_fallbacks_follow_the_role_as_models_do() -> None:
    said = settings(fallbacks=Fallbacks(big=["b/next", "lab:tiny", "a/short"], opus=["c/opus"], small=[]))
    assert slugs(plan_for("sonnet", said, None)) == ["openrouter/a/short", "openrouter/b/next", "lab/tiny"]
    assert slugs(plan_for("a/short", said, None)) == ["openrouter/a/short", "openrouter/b/next", "lab/tiny"]
    assert slugs(plan_for("opus", said, None)) == ["openrouter/a/short", "openrouter/c/opus"]
    assert slugs(plan_for("haiku", said, None)) == ["openrouter/a/small"]


def test_a_plan_is_that_of_the_settings_that_are_asked_now() -> None:
    before, after = settings(), settings(models=Models(big="b/other"))
    assert slugs(plan_for("sonnet", before, None)) == ["openrouter/a/short"]
    assert slugs(plan_for("sonnet", after, None)) == ["openrouter/b/other"]
    assert slugs(plan_for("sonnet", before, None)) == ["openrouter/a/short"]
    for n in range(100):
        assert slugs(plan_for(f"some/model-{n}", before, None)) == [f"openrouter/some/model-{n}"]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (1_000, ["openrouter/a/short", "[a/long]"]),
        (91_000, ["openrouter/a/short", "[a/long]"]),
        (92_500, ["openrouter/a/long", "openrouter/a/short"]),
    ],
)
def test_a_request_beyond_the_window_goes_to_the_long_model_with_the_reason(tokens: int, expected: list[str]) -> None:
    said = settings(models=Models(big="a/short", small="a/small", long_context="a/long"))
    plan = for_length(plan_for("main", said, CATALOG), tokens, said, CATALOG)
    assert slugs(plan) == expected
    assert ("models.long_context" in plan.reason) == (expected[0] == "openrouter/a/long")


def test_a_window_that_nobody_knows_or_that_is_no_longer_changes_nothing() -> None:
    said = settings(models=Models(big="x/unknown", small="a/small", long_context="a/long"))
    assert slugs(for_length(plan_for("main", said, CATALOG), 10**7, said, CATALOG))[0] == "openrouter/x/unknown"
    shorter = settings(models=Models(big="a/long", small="a/small", long_context="a/short"))
    assert slugs(for_length(plan_for("main", shorter, CATALOG), 10**7, shorter, CATALOG))[0] == "openrouter/a/long"


def test_one_line_each_denies_data_collection_and_asks_for_zero_retention_everywhere() -> None:
    said = settings(
        preferences=Preferences(data_collection="deny", zdr=True), fallbacks=Fallbacks(big=["b/next"], small=["c/s"])
    )
    for name in ("opus", "haiku", "background", "any/other"):
        for route in plan_for(name, said, None).routes:
            assert route.preferences == {"data_collection": "deny", "zdr": True}


def test_nothing_is_sent_unasked_and_never_what_costs_the_cache_its_stickiness() -> None:
    assert plan_for("opus", settings(), None).routes[0].preferences == {}
    everything = Preferences(
        only=["a", "b"],
        ignore=["c"],
        order=["b", "a"],
        quantizations=["fp8"],
        data_collection="deny",
        zdr=True,
        require_parameters=True,
        max_price=MaxPrice(prompt=1.5, completion=0.00001),
    )
    routes = plan_for("opus", settings(preferences=everything), None).routes
    assert [route.preferences["only"] for route in routes] == [["b"], ["a"]]
    for route in routes:
        assert not {"order", "sort"} & route.preferences.keys()
        assert route.preferences["max_price"] == {"prompt": "1.5", "completion": "0.00001"}
    assert [route.label for route in routes] == ["a/short at b", "a/short at a"]


def test_a_models_preference_beats_its_roles_and_that_the_default() -> None:
    said = settings(
        aliases={"mine": "a/short"},
        preferences=Preferences(data_collection="deny", ignore=["x"]),
        preferences_for={"mine": Preferences(ignore=["z"]), "opus": Preferences(ignore=["y"], zdr=True)},
    )
    assert preferences_for("opus", "a/short", said) == Preferences(data_collection="deny", ignore=["z"], zdr=True)
    assert preferences_for("haiku", "a/small", said) == Preferences(data_collection="deny", ignore=["x"])


def test_what_is_wanted_of_big_is_wanted_of_all_that_follow_it() -> None:
    said = settings(
        models=Models(big="a/big", opus="a/opus", subagent="a/agent", haiku="a/haiku"),
        preferences_for={
            "subagent": Preferences(ignore=["z"]),
            "big": Preferences(zdr=True, ignore=["x"]),
            "small": Preferences(data_collection="deny"),
        },
    )
    for role, slug in (("main", "a/big"), ("opus", "a/opus"), ("fable", "a/big")):
        assert preferences_for(role, slug, said) == Preferences(zdr=True, ignore=["x"])
    assert preferences_for("subagent", "a/agent", said) == Preferences(zdr=True, ignore=["z"])
    for role in ("haiku", "background", "small"):
        assert preferences_for(role, "a/haiku", said) == Preferences(data_collection="deny")


def test_what_is_wanted_of_a_model_is_wanted_of_its_variants_and_not_of_a_namesake_elsewhere() -> None:
    said = settings(
        preferences_for={
            "a/short:nitro": Preferences(ignore=["y"]),
            "a/short": Preferences(zdr=True, ignore=["x"]),
            "lab:a/long": Preferences(zdr=True),
        }
    )
    assert preferences_for("main", "a/short", said) == Preferences(zdr=True, ignore=["x"])
    assert preferences_for("main", "a/short:nitro", said) == Preferences(zdr=True, ignore=["y"])
    assert preferences_for("main", "a/short@preset/mine", said) == Preferences(zdr=True, ignore=["x"])
    for other in ("a/short:free", "a/long"):
        assert preferences_for("main", other, said) == Preferences()


def test_other_hosts_are_told_no_preferences() -> None:
    said = settings(models=Models(big="lab:tiny"), preferences=Preferences(zdr=True))
    assert plan_for("big", said, None).routes[0].preferences == {}


def test_an_order_beyond_only_keeps_what_both_allow() -> None:
    objects = provider_objects(Preferences(only=["a", "b"], order=["c", "b"]))
    assert objects == [{"only": ["b"]}]
