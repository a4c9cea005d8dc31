"""The key: found, cleaned, refused, and never shown."""

from __future__ import annotations

import pytest

from claude_or.config.key import Key, find_key, key_variables
from claude_or.config.schema import Settings
from claude_or.errors import EXIT_KEY, ClaudeOrError

SECRET = "sk-or-v1-0123456789abcdef0123456789abcdef"


def key(value: str) -> Key:
    return find_key({"OPENROUTER_API_KEY": value}, Settings())


def test_the_key_comes_from_the_environment_with_its_source() -> None:
    assert (key(SECRET).value, key(SECRET).source, key(SECRET).warnings) == (SECRET, "OPENROUTER_API_KEY", ())


@pytest.mark.parametrize("value", [SECRET, "short", "sk-proj-" + "x" * 40])
def test_a_key_is_never_shown(value: str) -> None:
    for shown in (repr(key(value)), str(key(value)), f"{key(value)}", key(value).masked):
        assert value not in shown
        assert len(set(shown) & set("0123456789abcdef")) < 12


def test_the_mask_lets_one_recognise_a_key() -> None:
    assert key(SECRET).masked == "sk-or-v1-…def"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (f" {SECRET}\n", "spaces or line ends"),
        (f'"{SECRET}"', "quotes"),
        (f"'{SECRET}'", "quotes"),
    ],
)
def test_what_copying_adds_is_ignored_with_a_warning(raw: str, said: str) -> None:
    assert key(raw).value == SECRET
    assert [said in warning for warning in key(raw).warnings] == [True]


def test_a_key_of_another_form_is_tried_with_a_warning() -> None:
    assert key("sk-ant-" + "x" * 30).warnings == (
        "the key in OPENROUTER_API_KEY does not begin with sk-or-, as OpenRouter's keys do",
    )


@pytest.mark.parametrize("raw", ["", "  ", '""', "sk-or-v1 two", "sk-or-\x00", "sk-or-ключ"])
def test_what_cannot_be_a_key_is_refused_with_a_next_step_and_without_showing_it(raw: str) -> None:
    with pytest.raises(ClaudeOrError) as caught:
        key(raw)
    assert caught.value.exit_code == EXIT_KEY
    assert "https://openrouter.ai/keys" in caught.value.hint
    assert "two" not in caught.value.message


def test_the_variables_to_hide_from_the_child_are_those_that_are_read() -> None:
    assert key_variables(Settings()) == ("OPENROUTER_API_KEY",)
