"""Which path leads to a model, and the reason that people are told."""

from __future__ import annotations

import pytest

from claude_or.config.schema import Settings
from claude_or.routing.paths import choose_path
from claude_or.routing.plan import plan_for


@pytest.mark.parametrize(
    ("slug", "path"),
    [
        ("anthropic/claude-sonnet-5.5", "native"),
        ("~anthropic/claude-sonnet-latest", "native"),
        ("Anthropic/Claude-Sonnet-5.5:nitro", "native"),
        ("z-ai/glm-5.3", "chat"),
        ("somebody/anthropic", "chat"),
        ("anthropic-labs/x", "chat"),
    ],
)
def test_only_models_that_speak_it_go_natively_unasked(slug: str, path: str) -> None:
    assert choose_path(slug, "openrouter", Settings()).path == path


def test_the_first_pattern_that_fits_decides_over_the_author_and_is_named() -> None:
    said = Settings(paths={"z-ai/glm-*": "native", "*": "chat"})
    native = choose_path("z-ai/GLM-5.3", "openrouter", said)
    assert native.path == "native"
    assert "'z-ai/glm-*'" in native.reason
    assert choose_path("anthropic/claude-sonnet-5.5", "openrouter", said).path == "chat"


def test_a_pattern_for_an_author_fits_the_authors_moving_aliases() -> None:
    said = Settings(paths={"~anthropic/claude-opus-*": "native", "anthropic/*": "chat"})
    slugs = ("~anthropic/claude-sonnet-latest", "anthropic/claude-opus-5.5", "~anthropic/claude-opus-latest")
    assert [choose_path(slug, "openrouter", said).path for slug in slugs] == ["chat", "chat", "native"]


def test_another_host_has_no_messages_endpoint_of_its_own() -> None:
    assert choose_path("anthropic/claude", "local", Settings(paths={"*": "native"})).path == "chat"


def test_a_plan_goes_the_chosen_path() -> None:
    (native,) = plan_for("claude-opus-5", Settings(), None).routes
    assert (native.slug, native.path) == ("~anthropic/claude-opus-latest", "native")
    (chat,) = plan_for("opus", Settings(paths={"~anthropic/*opus*": "chat"}), None).routes
    assert (chat.slug, chat.path) == ("~anthropic/claude-opus-latest", "chat")
