"""What is known about model families, and how a listing overrules it."""

from __future__ import annotations

import pytest

from claude_or.translate.profiles import ModelFacts, family_of, profile_for


@pytest.mark.parametrize(
    ("slug", "family"),
    [
        ("anthropic/claude-sonnet-5", "anthropic"),
        ("~anthropic/claude-opus-latest", "anthropic"),
        ("openai/gpt-6-astra:nitro", "openai"),
        ("google/gemini-3.8-flash", "google"),
        ("x-ai/grok-4.7", "x-ai"),
        ("deepseek/deepseek-v4-pro-0813", "deepseek"),
        ("moonshotai/kimi-k3", "moonshotai"),
        ("Z-AI/GLM-5.3", "z-ai"),
        ("qwen/qwen3-coder", "qwen"),
        ("minimax/minimax-m3", "minimax"),
        ("mistralai/devstral-2512", "mistralai"),
        ("meta-llama/llama-4", "meta"),
        ("meta/muse-spark-1.3", "meta"),
        ("qwen3:8b", "qwen"),
        ("someone/qwen3-finetune", "qwen"),
        ("hf.co/deepseek/deepseek-r9", "deepseek"),
        ("poolside/laguna", "other"),
        ("openrouter/auto", "other"),
        ("", "other"),
    ],
)
def test_a_slug_belongs_to_a_family(slug: str, family: str) -> None:
    assert family_of(slug) == family
    assert profile_for(slug, None).family == family


def test_the_listing_beats_the_family() -> None:
    listed = ModelFacts(
        context=200_000,
        max_output=64_000,
        inputs=frozenset({"text"}),
        parameters=frozenset({"tools"}),
        reasons=True,
        mandatory_reasoning=True,
        efforts=("high", "low"),
        reasoning_budget=False,
    )
    plain, told = profile_for("anthropic/claude-x", None), profile_for("anthropic/claude-x", listed)
    assert (plain.images, plain.budget, plain.context, plain.reasons) == (None, True, None, None)
    assert plain.takes("temperature")
    assert (told.images, told.budget, told.context, told.max_output) == (False, False, 200_000, 64_000)
    assert (told.reasons, told.mandatory_reasoning, told.efforts) == (True, True, ("high", "low"))
    assert told.takes("tools")
    assert not told.takes("temperature")
    assert told.explicit_cache


def test_what_the_listing_does_not_say_stays_with_the_family() -> None:
    told = profile_for("qwen/qwen3-coder", ModelFacts(context=10))
    assert (told.images, told.reasons, told.budget) == (None, None, True)
    assert told.efforts == profile_for("qwen/qwen3-coder", None).efforts


def test_a_plain_host_gets_no_extras_of_openrouter() -> None:
    profile = profile_for("qwen3:8b", None, openrouter=False)
    assert not profile.openrouter
    assert not profile.explicit_cache
    assert not profile.files
