"""What settings and listing mean for the client: the window told and the output limit that goes with it."""

from __future__ import annotations

import marshal

import pytest

from claude_or.config.schema import Client, Fallbacks, Models, Provider, ProviderModel, Settings
from claude_or.session.facts import ASSUMED_WINDOW, facts_of, model_argument, told_output


def trigger(window: int, output: int) -> int:
    """When the client compacts, in tokens (measured with Claude Code 2.1.330)."""
    return window - min(output, 20_000) - 13_000


@pytest.mark.parametrize(
    ("window", "model_output", "earliest"),
    [
        (65_536, 8_192, 0.73),
        (65_536, 65_536, 0.73),
        (131_072, 131_072, 0.73),
        (131_072, 4_096, 0.73),
        (200_000, 64_000, 0.83),
        (262_144, 236_000, 0.83),
        (1_048_576, 128_000, 0.83),
    ],
)
def test_compaction_comes_late_but_before_the_limit(window: int, model_output: int, earliest: float) -> None:
    told = told_output(window, model_output)

    assert earliest * window <= trigger(window, told)
    assert told <= model_output
    assert trigger(window, told) + told <= window


def test_an_unknown_window_is_assumed_and_said() -> None:
    facts = facts_of(Settings(models=Models(big="x/unknown", small="x/small")), lambda _: (None, None))

    assert facts["window"] == ASSUMED_WINDOW
    assert facts["assumed"] == ["x/unknown"]


def test_the_small_model_does_not_shrink_the_window() -> None:
    limits = {"x/big": (400_000, 128_000), "x/small": (32_768, 4_096)}

    facts = facts_of(Settings(models=Models(big="x/big", small="x/small")), lambda slug: limits[slug])

    assert (facts["window"], facts["output"], facts["assumed"]) == (400_000, 32_000, [])


def test_the_picker_lists_what_the_roles_use_and_the_aliases() -> None:
    settings = Settings(models=Models(big="x/big", small="x/small"), aliases={"gpt": "openai/gpt-9"})

    facts = facts_of(settings, lambda _: (200_000, None))

    assert [(row["model"], row["description"].split(" · ")[0]) for row in facts["picker"]] == [
        ("x/big", "main, opus, sonnet, fable"),
        ("x/small", "haiku"),
        ("openai/gpt-9", "gpt"),
    ]


def test_the_picker_tells_windows_and_prices_and_marks_what_a_long_conversation_does_not_fit() -> None:
    aliases = {"gpt": "openai/gpt-9", "tiny": "y/tiny:free", "ghost": "y/ghost"}
    settings = Settings(models=Models(big="x/big", small="x/small"), aliases=aliases)
    windows = {"x/big": 200_000, "x/small": 128_000, "openai/gpt-9": 1_050_000, "y/tiny:free": 32_768}
    prices = {"x/big": ("0.6", "2.2"), "openai/gpt-9": ("1.25", "10"), "y/tiny:free": ("0", "0")}

    facts = facts_of(settings, lambda slug: (windows.get(slug), None), lambda slug: prices.get(slug, ("", "")))

    assert [row["description"].partition(" · ")[2] for row in facts["picker"]] == [
        "x/big, 200k window, $0.60 in and $2.20 out per million",
        "x/small, 128k window, less than this session's 200k: for short conversations",
        "openai/gpt-9, 1.05M window, $1.25 in and $10 out per million",
        "y/tiny:free, 32k window, free, less than this session's 200k: for short conversations",
        "y/ghost, window unknown, perhaps less than this session's 200k: for short conversations",
    ]


CLAUDE = "anthropic/claude-sonnet-4.6"


@pytest.mark.parametrize(
    ("big", "window", "told"),
    [
        (CLAUDE, 1_000_000, f"{CLAUDE}[1m]"),
        (CLAUDE, 200_000, CLAUDE),
        (CLAUDE, None, CLAUDE),
        ("~anthropic/claude-sonnet-latest", 1_000_000, "~anthropic/claude-sonnet-latest"),
        ("x/big", 1_000_000, "x/big"),
    ],
)
def test_a_model_that_the_client_takes_for_a_shorter_one_is_marked(big: str, window: int | None, told: str) -> None:
    settings = Settings(models=Models(big=big, small="x/small"), aliases={"again": big})
    facts = facts_of(settings, lambda slug: (window if slug == big else 200_000, None))

    assert {facts["models"][role] for role in ("main", "opus", "sonnet", "fable", "subagent")} == {told}
    assert facts["models"]["haiku"] == "x/small"
    assert [row["model"] for row in facts["picker"]] == [told, "x/small"]
    for value in ("opus", "again", big):
        assert model_argument(settings, facts["long"])(value) == told


def test_no_model_is_marked_in_a_session_with_a_shorter_window() -> None:
    settings = Settings(models=Models(big=CLAUDE, small="x/small", subagent="x/sub"))
    facts = facts_of(settings, lambda slug: (400_000 if slug == "x/sub" else 1_000_000, None))

    assert (facts["window"], facts["models"]["main"]) == (400_000, CLAUDE)


def test_facts_are_fit_for_the_launch_cache() -> None:
    facts = facts_of(Settings(), lambda _: (None, None))

    assert marshal.loads(marshal.dumps(facts)) == facts


@pytest.mark.parametrize(
    ("value", "translated"),
    [
        ("opus", "x/big"),
        ("opus[1m]", "x/big"),
        ("haiku", "x/small"),
        ("gpt", "openai/gpt-9"),
        ("opusplan", "opusplan"),
        ("other/model", "other/model"),
        ("other/model[1m]", "other/model"),
        ("claude-opus-9[1m]", "claude-opus-9[1m]"),
        ("claude-opus-9", "claude-opus-9"),
    ],
)
def test_a_tier_named_by_the_user_is_a_slug_for_the_client(value: str, translated: str) -> None:
    settings = Settings(models=Models(big="x/big", small="x/small"), aliases={"gpt": "openai/gpt-9"})

    assert model_argument(settings)(value) == translated


def test_own_hosts_fallbacks_and_the_long_model_count_in_the_window_told() -> None:
    lab = Provider(base_url="http://127.0.0.1:9/v1", models={"tiny": ProviderModel(context_window=65_536)})
    limits = {"x/big": (200_000, 64_000), "x/next": (131_072, 32_000), "x/long": (1_000_000, 64_000)}

    def window(big: str, fallbacks: list[str], long_context: str | None = None) -> tuple[int, list[str]]:
        settings = Settings(
            models=Models(big=big, small="x/small", long_context=long_context),
            fallbacks=Fallbacks(big=fallbacks),
            providers={"lab": lab},
        )
        facts = facts_of(settings, lambda name: limits.get(name, (None, None)))
        return facts["window"], facts["assumed"]

    assert window("lab:tiny", []) == (65_536, [])
    assert window("lab:other", []) == (ASSUMED_WINDOW, ["lab:other"])
    assert window("x/big", ["x/next", "lab:tiny"]) == (65_536, [])
    assert window("x/big", ["x/next"]) == (131_072, [])
    assert window("x/big", ["x/next"], "x/long") == (1_000_000, [])


def test_favourites_below_the_told_window_are_marked() -> None:
    limits = {"x/big": (400_000, None), "x/small": (400_000, None), "x/short": (131_072, None)}
    settings = Settings(models=Models(big="x/big", small="x/small"), aliases={"short": "x/short"})

    rows = {row["model"]: row["description"] for row in facts_of(settings, lambda slug: limits[slug])["picker"]}

    assert "less than this session's 400k" in rows["x/short"]
    assert not any("less than" in rows[slug] for slug in ("x/big", "x/small"))


@pytest.mark.parametrize(("window", "said"), [(32_768, 1), (63_999, 1), (64_000, 0), (None, 0)])
def test_a_window_too_small_for_claude_code_is_said_at_launch(window: int | None, said: int) -> None:
    facts = facts_of(Settings(models=Models(big="x/big", small="x/big")), lambda _: (window, None))

    assert len(facts["notices"]) == said
    assert all("x/big" in notice and "too small for Claude Code" in notice for notice in facts["notices"])


def test_auto_mode_on_ones_own_model_is_said_at_launch() -> None:
    facts = facts_of(Settings(client=Client(auto_mode="local")), lambda _: (200_000, None))

    (notice,) = facts["notices"]
    assert "auto mode is on" in notice
    assert "sonnet tier" in notice
