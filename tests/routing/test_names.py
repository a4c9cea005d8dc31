"""Which model a role has, and which one a requested name gets."""

from __future__ import annotations

import contextlib
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.config.names import ROLES
from claude_or.config.schema import Models, Settings
from claude_or.routing.names import UnknownModel, meant_now, names_told, nearest_names, resolve, roles
from claude_or.routing.plan import plan_for


def slugs(**models: str) -> dict[str, str]:
    return {role: choice.slug for role, choice in roles(Settings(models=Models(**models))).items()}


def test_by_default_each_role_has_its_familys_latest_and_sonnet_is_main() -> None:
    opus, sonnet, haiku, fable = (f"~anthropic/claude-{f}-latest" for f in ("opus", "sonnet", "haiku", "fable"))
    assert slugs() == {
        "main": sonnet,
        "small": haiku,
        "opus": opus,
        "sonnet": sonnet,
        "haiku": haiku,
        "fable": fable,
        "subagent": sonnet,
        "background": haiku,
    }
    assert {choice.origin for choice in roles(Settings()).values()} == {""}


def test_all_roles_follow_big_and_small() -> None:
    chosen = slugs(big="a/big", small="a/small")
    assert {role for role, slug in chosen.items() if slug == "a/small"} == {"small", "haiku", "background"}
    assert {role for role, slug in chosen.items() if slug == "a/big"} == {"main", "opus", "sonnet", "fable", "subagent"}


def test_a_role_of_its_own_beats_what_it_follows_and_subagents_follow_main() -> None:
    chosen = slugs(big="a/big", main="a/main", opus="a/opus", small="a/small", background="a/back")
    assert [chosen[role] for role in ("main", "subagent", "opus", "sonnet", "background", "haiku")] == [
        "a/main",
        "a/main",
        "a/opus",
        "a/big",
        "a/back",
        "a/small",
    ]


def test_a_role_can_be_another_role_an_alias_or_a_claude_name() -> None:
    settings = Settings(
        models=Models(big="smart", subagent="haiku", small="claude-haiku-4-5", fable="opus"),
        aliases={"smart": "glm", "glm": "z-ai/glm-5.3"},
    )
    chosen = {role: choice.slug for role, choice in roles(settings).items()}
    assert chosen["main"] == chosen["opus"] == chosen["fable"] == "z-ai/glm-5.3"
    assert chosen["subagent"] == chosen["small"] == "~anthropic/claude-haiku-latest"


def test_a_role_named_after_its_own_follower_means_the_family() -> None:
    assert slugs(big="sonnet")["main"] == "~anthropic/claude-sonnet-latest"
    assert slugs(big="claude-opus-5-5")["opus"] == "~anthropic/claude-opus-latest"
    assert slugs(small="small")["haiku"] == "~anthropic/claude-haiku-latest"


def test_origin_and_reason_name_the_setting_that_decided() -> None:
    chosen = roles(Settings(models=Models(big="a/big", opus="a/opus")))
    assert (chosen["opus"].origin, chosen["opus"].reason) == ("models.opus", "models.opus is a/opus")
    assert (chosen["main"].origin, chosen["main"].reason) == ("models.big", "follows models.big, a/big")


SETTINGS = Settings(
    models=Models(big="a/big", small="a/small", opus="a/opus"), aliases={"glm": "z-ai/glm-5.3", "o": "opus"}
)


@pytest.mark.parametrize(
    ("asked", "role", "slug"),
    [
        ("opus", "opus", "a/opus"),
        ("claude-opus-5-5[1m]", "opus", "a/opus"),
        ("claude-sonnet-5", "sonnet", "a/big"),
        ("claude-haiku-4-5-20251001", "haiku", "a/small"),
        ("claude-next-thing", "main", "a/big"),
        ("a/big", "main", "a/big"),
        ("a/small", "small", "a/small"),
        ("a/opus[1m]", "opus", "a/opus"),
        ("claude-or/a/opus", "opus", "a/opus"),
        ("glm", "main", "z-ai/glm-5.3"),
        ("o", "opus", "a/opus"),
        ("openrouter/auto", "main", "openrouter/auto"),
    ],
)
def test_a_request_is_recognised_as_the_role_it_serves(asked: str, role: str, slug: str) -> None:
    plan = plan_for(asked, SETTINGS, None)
    assert (plan.asked, plan.role, [(r.provider, r.slug) for r in plan.routes]) == (asked, role, [("openrouter", slug)])
    assert plan.reason


def test_an_unknown_name_raises_with_the_nearest() -> None:
    with pytest.raises(UnknownModel) as caught:
        resolve("glm5.3", SETTINGS, ["z-ai/glm-5.3", "x-ai/grok-4.7"])
    assert caught.value.nearest[0] == "z-ai/glm-5.3"
    assert caught.value.hint == "Did you mean z-ai/glm-5.3 or glm?"


def test_a_ready_host_that_nothing_names_is_told_how_it_is_taken_into_use() -> None:
    with pytest.raises(UnknownModel, match=r"the host groq is not in use; write `groq:` below `providers:`"):
        resolve("groq:openai/gpt-oss-20b", Settings())
    with pytest.raises(UnknownModel, match="there is no host 'grok'; describe it"):
        resolve("grok:x", Settings())


def test_aliases_that_run_in_a_circle_are_unknown_not_endless() -> None:
    settings = Settings(aliases={"a": "b", "b": "a"}, models=Models(big="a"))
    for ask in (lambda: resolve("a", settings), lambda: roles(settings)):
        with pytest.raises(UnknownModel, match="circle"):
            ask()


def test_a_role_that_names_no_model_is_told_with_its_setting() -> None:
    with pytest.raises(UnknownModel, match=r"models\.big: a model is written author/name"):
        roles(Settings(models=Models(big="nonsense")))


LISTED = ["z-ai/glm-5.3", "z-ai/glm-5.3-flash", "moonshotai/kimi-k3", "anthropic/claude-sonnet-5.5"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("glm-5.3", "z-ai/glm-5.3"),
        ("zai/glm5.3", "z-ai/glm-5.3"),
        ("kimi", "moonshotai/kimi-k3"),
        ("sonet-5.5", LISTED[3]),
    ],
)
def test_the_nearest_name_ignores_punctuation_and_author(typed: str, found: str) -> None:
    assert nearest_names(typed, LISTED)[0] == found


def test_nothing_near_suggests_nothing() -> None:
    assert nearest_names("qqqqqqqq", LISTED) == ()
    assert nearest_names("///", LISTED) == ()


VALUES = st.one_of(
    st.none(),
    st.sampled_from([*ROLES, "claude-opus-5-5", "glm", "openrouter/auto"]),
    st.from_regex(r"[a-z]{1,5}/[a-z0-9.-]{1,5}", fullmatch=True),
)
ANY_SETTINGS = st.builds(
    lambda models: Settings(models=Models(**models), aliases={"glm": "z-ai/glm-5.3"}),
    st.fixed_dictionaries(dict.fromkeys(asdict(Models()), VALUES)),
)


@given(settings=ANY_SETTINGS)
def test_every_role_has_a_slug_whatever_refers_to_whatever(settings: Settings) -> None:
    assert all("/" in choice.slug and choice.reason for choice in roles(settings).values())


@given(tail=st.text(), settings=ANY_SETTINGS)
def test_any_claude_name_gives_a_plan(tail: str, settings: Settings) -> None:
    if not tail.lower().startswith("or/"):  # that is our own prefix
        assert plan_for("claude-" + tail, settings, None).routes


@given(asked=st.text() | st.from_regex(r"[a-z~:/\[\]1m.@-]{0,20}", fullmatch=True), settings=ANY_SETTINGS)
def test_nothing_but_unknown_model_is_raised(asked: str, settings: Settings) -> None:
    with contextlib.suppress(UnknownModel):
        assert plan_for(asked, settings, None).routes


def test_a_model_told_at_the_start_means_its_role_after_an_edit() -> None:
    before = Settings(models=Models(big="z-ai/a", small="z-ai/b", opus="z-ai/c"))
    told = names_told(before)
    assert [meant_now(name, told, before) for name in ("z-ai/a", "z-ai/b", "opus")] == ["z-ai/a", "z-ai/b", "opus"]
    swapped = Settings(models=Models(big="z-ai/b", small="z-ai/a", opus="z-ai/c"))
    assert [meant_now(name, told, swapped) for name in ("z-ai/a", "z-ai/a[1m]", "z-ai/b", "z-ai/c", "z-ai/new")] == [
        "main", "main", "small", "z-ai/c", "z-ai/new",
    ]  # fmt: skip
