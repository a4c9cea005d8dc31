"""The grammar of model names, name by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.config.names import Meaning, bare, meaning_of, unresolvable

ALIASES = {"glm": "z-ai/glm-5.3", "claude-mine": "x/y", "loop": "pool", "pool": "loop"}


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("opus", Meaning("role", "opus")),
        ("SONNET", Meaning("role", "sonnet")),
        ("sonnet[1m]", Meaning("role", "sonnet")),
        ("claude-or/haiku", Meaning("role", "haiku")),
        ("claude-or/z-ai/glm-5.3[1m]", Meaning("slug", "z-ai/glm-5.3")),
        ("big", Meaning("role", "main")),
        ("opusplan", Meaning("role", "sonnet")),
        ("glm", Meaning("alias", "glm")),
        ("claude-mine", Meaning("alias", "claude-mine")),
        ("claude-opus-5-5", Meaning("role", "opus")),
        ("claude-3-5-haiku-20241022", Meaning("role", "haiku")),
        ("claude-fable-5-2[1m]", Meaning("role", "fable")),
        ("claude-tomorrow-9", Meaning("role", "main")),
        ("z-ai/glm-5.3:nitro", Meaning("slug", "z-ai/glm-5.3:nitro")),
        ("~anthropic/claude-opus-latest", Meaning("slug", "~anthropic/claude-opus-latest")),
        ("openrouter/auto", Meaning("slug", "openrouter/auto")),
        ("openrouter/z-ai/glm-5.3", Meaning("slug", "z-ai/glm-5.3")),
        ("openrouter:z-ai/glm-5.3", Meaning("slug", "z-ai/glm-5.3")),
        ("ollama:qwen3", Meaning("slug", "qwen3", "ollama")),
        ("@preset/mine", Meaning("slug", "@preset/mine")),
        ("  a/b ", Meaning("slug", "a/b")),
    ],
)
def test_names_mean_what_they_say(name: str, meaning: Meaning) -> None:
    assert meaning_of(name, ALIASES, {"ollama"}) == meaning


@pytest.mark.parametrize("name", ["", "glm5", "/", "a/", "/b", "a b/c", "ollama:", "claude-or/", "[1m]"])
def test_what_nobody_can_have_meant_is_unknown_with_a_reason(name: str) -> None:
    meaning = meaning_of(name, ALIASES)
    assert meaning.kind == "unknown"
    assert meaning.value


def test_only_a_window_suffix_is_taken_off() -> None:
    assert [bare(name) for name in ("a/b[1m]", "a/b[200K]", "a/b[x]", "a/b[m]", "]", "[1m]")] == [
        "a/b",
        "a/b",
        "a/b[x]",
        "a/b[m]",
        "]",
        "",
    ]


def test_an_alias_must_end_at_a_model() -> None:
    assert unresolvable("glm", ALIASES) == ""
    assert unresolvable("loop", ALIASES) == "the aliases run in a circle: loop → pool → loop"
    assert "author/name" in unresolvable("typo", ALIASES)


@given(st.text(), st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=4))
def test_no_text_breaks_the_grammar(name: str, aliases: dict[str, str]) -> None:
    assert meaning_of(name, aliases).kind in {"role", "alias", "slug", "unknown"}
    assert isinstance(unresolvable(name, aliases), str)
