"""Whose argument is whose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.errors import EXIT_USAGE, ClaudeOrError
from claude_or.session.arguments import (
    MANAGEMENT,
    OUTLIVING,
    REPEATED,
    SWITCHES,
    VALUED,
    asks,
    prints,
    rewrite,
    split,
    value_of,
)

COMMANDS = frozenset({"demo", "models", "doctor", "serve"})


@pytest.mark.parametrize(
    ("argv", "kind", "ours", "theirs"),
    [
        ([], "session", {}, []),
        (["hello there"], "session", {}, ["hello there"]),
        (["-p", "hi", "--output-format", "json"], "session", {}, ["-p", "hi", "--output-format", "json"]),
        (["--big", "a/b", "-p", "hi"], "session", {"--big": "a/b"}, ["-p", "hi"]),
        (["--big=a/b", "--small=c/d", "x"], "session", {"--big": "a/b", "--small": "c/d"}, ["x"]),
        (["--dry-run", "--quiet"], "session", {"--dry-run": "1", "--quiet": "1"}, []),
        (["-p", "--big", "a/b"], "session", {}, ["-p", "--big", "a/b"]),
        (["--big", "a/b", "--", "models"], "session", {"--big": "a/b"}, ["models"]),
        (["--", "mcp", "list"], "passed", {}, ["mcp", "list"]),
        (["--", "--", "x"], "session", {}, ["--", "x"]),
        (["models", "--json"], "command", {}, ["models", "--json"]),
        (["doctor", "--help"], "command", {}, ["doctor", "--help"]),
        (["mcp", "list"], "passed", {}, ["mcp", "list"]),
        (["update"], "passed", {}, ["update"]),
        (["--help"], "help", {}, ["--help"]),
        (["-h"], "help", {}, ["-h"]),
        (["-V"], "version", {}, ["-V"]),
        (["--version"], "version", {}, ["--version"]),
        (["-p", "--help"], "session", {}, ["-p", "--help"]),
        (["--resume"], "session", {}, ["--resume"]),
        (["demo"], "demo", {}, []),
        (["demo", "-p", "Say hello"], "demo", {}, ["-p", "Say hello"]),
        (["demo", "--quiet", "-p", "x"], "demo", {"--quiet": "1"}, ["-p", "x"]),
        (["demo", "--help"], "command", {}, ["demo", "--help"]),
        (["-p", "demo"], "session", {}, ["-p", "demo"]),
    ],
)
def test_a_command_line_is_split(argv: list[str], kind: str, ours: dict[str, str], theirs: list[str]) -> None:
    found = split(argv, COMMANDS)

    assert (found.kind, found.ours, found.theirs) == (kind, ours, theirs)


@pytest.mark.parametrize("option", VALUED)
@pytest.mark.parametrize("rest", [[], ["--quiet"]], ids=["at the end", "before an option"])
def test_an_option_of_ours_without_its_value_is_refused(option: str, rest: list[str]) -> None:
    with pytest.raises(ClaudeOrError, match=f"{option} needs a value") as refused:
        split([option, *rest], COMMANDS)

    assert refused.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("option", sorted(OUTLIVING))
def test_what_would_outlive_the_proxy_is_refused_with_a_way_out(option: str) -> None:
    with pytest.raises(ClaudeOrError) as refused:
        split(["-p", option], COMMANDS)

    assert option in refused.value.message
    assert f"claude {option}" in refused.value.hint


def test_what_stands_behind_a_divider_is_a_prompt_and_refused_by_nobody() -> None:
    assert split(["-p", "--", "--bg"], COMMANDS).theirs == ["-p", "--", "--bg"]


def test_a_command_of_ours_behind_options_is_not_billed_as_a_prompt() -> None:
    with pytest.raises(ClaudeOrError, match="must come first"):
        split(["--big", "a/b", "models"], COMMANDS)


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
their_tokens = st.one_of(
    words, st.sampled_from(["-p", "--model", "--settings", "--mcp-config", "--", "opus", "--verbose"])
)
our_options = st.lists(
    st.one_of(
        st.sampled_from(SWITCHES).map(lambda name: (name, None)),
        st.tuples(st.sampled_from(VALUED), words.filter(lambda word: word and not word.startswith("--"))),
    ),
    max_size=4,
)


@given(our_options, st.lists(their_tokens, max_size=8), st.booleans())
def test_nothing_is_lost_and_the_order_is_kept(
    options: list[tuple[str, str | None]], theirs: list[str], glued: bool
) -> None:
    front: list[str] = []
    for name, value in options:
        front += [name] if value is None else [f"{name}={value}"] if glued else [name, value]

    try:
        found = split([*front, "--", *theirs], COMMANDS)
    except ClaudeOrError:
        return  # refused, and said so

    assert found.theirs == theirs
    told: dict[str, str] = {}
    for name, value in options:
        told[name] = f"{told[name]}\n{value}" if name in REPEATED and name in told else value or "1"
    assert found.ours == told
    assert found.kind in {"session", "passed"}
    assert (found.kind == "passed") == (not options and theirs[:1] != [] and theirs[0] in MANAGEMENT)


@given(st.lists(their_tokens, max_size=10))
def test_rewriting_changes_three_options_and_nothing_else(theirs: list[str]) -> None:
    written = rewrite(theirs, settings="S", model=str)

    assert without_settings(written) == without_settings(theirs)
    assert value_of(written, "--settings") == "S"


def without_settings(tokens: list[str]) -> list[str]:
    """What is left when each whole `--settings` in front of a divider is taken out."""
    limit = tokens.index("--") if "--" in tokens else len(tokens)
    left: list[str] = []
    at = 0
    while at < limit:
        if tokens[at] in {"--model", "--mcp-config"} and at + 1 < limit:
            left += tokens[at : at + 2] if tokens[at] == "--model" else tokens[at : at + 1]
            at += 2 if tokens[at] == "--model" else 1
        elif tokens[at] == "--settings" and at + 1 < limit:
            at += 2
        elif tokens[at].startswith("--settings="):
            at += 1
        else:
            left.append(tokens[at])
            at += 1
    return left + tokens[limit:]


@pytest.mark.parametrize(
    ("theirs", "written"),
    [
        ([], ["--settings", "S"]),
        (["-p", "hi"], ["--settings", "S", "-p", "hi"]),
        (["-p", "--settings", "u.json", "hi"], ["-p", "--settings", "S", "hi"]),
        (["--settings={}", "hi"], ["--settings", "S", "hi"]),
        (["--settings", "a", "-p", "--settings", "b"], ["-p", "--settings", "S"]),
        (["--model", "gpt"], ["--settings", "S", "--model", "GPT"]),
        (["--model=gpt", "x"], ["--settings", "S", "--model=GPT", "x"]),
        (["--", "--model", "gpt"], ["--settings", "S", "--", "--model", "gpt"]),
        (["--model"], ["--settings", "S", "--model"]),
        (["--mcp-config", "u.json", "-p"], ["--settings", "S", "--mcp-config", "u.json", "-p"]),
    ],
)
def test_arguments_for_claude(theirs: list[str], written: list[str]) -> None:
    assert rewrite(theirs, settings="S", model=str.upper) == written


@pytest.mark.parametrize(
    ("theirs", "written"),
    [
        (["hi"], ["--settings", "S", "--mcp-config=m.json", "hi"]),
        (["--mcp-config", "u.json", "hi"], ["--settings", "S", "--mcp-config=m.json", "--mcp-config", "u.json", "hi"]),
        (["--mcp-config=u.json"], ["--settings", "S", "--mcp-config=m.json", "--mcp-config=u.json"]),
    ],
)
def test_our_servers_stand_beside_the_users(theirs: list[str], written: list[str]) -> None:
    assert rewrite(theirs, settings="S", model=str, mcp_configs=["m.json"]) == written


def test_the_last_value_of_an_option_counts() -> None:
    assert value_of(["--settings", "a", "--settings=b"], "--settings") == "b"
    assert value_of(["--", "--settings", "a"], "--settings") is None
    assert value_of(["--settings"], "--settings") is None


def test_print_mode_is_recognised() -> None:
    assert prints(["-p"])
    assert prints(["--verbose", "--print"])
    assert prints(["-pc"])
    assert prints(["-cp"])
    assert not prints(["--", "-p"])
    assert asks(["-p", "hi"])
    assert not asks(["-p", "--version"])
    assert not asks(["hi"])
