"""What the child gets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.config.schema import Client, Models, Settings
from claude_or.session.environment import (
    LOOPBACK,
    MARK,
    NEUTRALISED,
    REMOVED,
    environment_of,
    filled,
    merged,
    no_proxy_of,
    pinned,
    settings_of,
)
from claude_or.session.facts import facts_of

LIMITS = {
    "a/big": (200_000, 64_000),
    "a/small": (131_072, 8_192),
    "a/huge": (1_048_576, 128_000),
    "a/wide": (400_000, 128_000),
    "anthropic/claude-wide": (400_000, 128_000),
}


def facts(models: Models, client: Client | None = None) -> dict[str, Any]:
    settings = Settings(models=models, client=client or Client())
    return facts_of(settings, lambda slug: LIMITS.get(slug, (None, None)))


def variables(models: Models | None = None, client: Client | None = None) -> dict[str, str]:
    return pinned(facts(models or Models(big="a/big", small="a/small"), client))


def test_every_tier_has_a_model_of_the_users() -> None:
    found = variables()

    assert found["ANTHROPIC_MODEL"] == "a/big"
    assert {found[f"ANTHROPIC_DEFAULT_{tier}_MODEL"] for tier in ("OPUS", "SONNET", "FABLE")} == {"a/big"}
    assert found["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == found["ANTHROPIC_SMALL_FAST_MODEL"] == "a/small"
    assert found["CLAUDE_CODE_SUBAGENT_MODEL"] == "a/big"


def test_the_window_told_is_that_of_the_models_that_share_the_history() -> None:
    assert variables()["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "200000"
    assert variables(Models(big="a/big", fable="a/small"))["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "131072"


def test_the_million_switch_is_off_only_below_a_million() -> None:
    assert variables()["CLAUDE_CODE_DISABLE_1M_CONTEXT"] == "1"
    assert "CLAUDE_CODE_DISABLE_1M_CONTEXT" not in variables(Models(big="a/huge"))


def test_print_mode_is_spared_a_switch_that_the_client_could_not_enforce() -> None:
    def switch(models: Models) -> str | None:
        found = facts_of(Settings(models=models), lambda slug: LIMITS.get(slug, (None, None)), printing=True)
        return pinned(found).get("CLAUDE_CODE_DISABLE_1M_CONTEXT")

    assert switch(Models(big="a/wide")) is None
    assert switch(Models(big="a/big")) == "1"
    assert switch(Models(big="anthropic/claude-wide")) == "1"


def test_the_window_is_told_in_both_ways_since_each_version_hears_another() -> None:
    for model in ("anthropic/claude-haiku-4.5", "~anthropic/claude-haiku-latest"):
        told = pinned(facts(Models(big=model, small="a/small")))
        assert told["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] == told["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "128000"
    assert variables(Models(big="a/huge"))["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] == "1048576"


def test_switches_of_the_configuration_reach_the_client() -> None:
    usual = variables()
    other = variables(client=Client(tool_search=False, nonessential_traffic=True, auto_mode="local"))

    assert (usual["ENABLE_TOOL_SEARCH"], usual["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"]) == ("true", "1")
    assert (other["ENABLE_TOOL_SEARCH"], other["CLAUDE_CODE_AUTO_MODE_SERVER"]) == ("false", "0")
    assert "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC" not in other


def test_auto_mode_is_off_unless_the_clients_own_check_was_chosen() -> None:
    off = settings_of(facts(Models(big="a/big")))
    local = settings_of(facts(Models(big="a/big"), Client(auto_mode="local")))

    assert off["permissions"] == {"disableAutoMode": "disable"}
    assert "permissions" not in local


def test_settings_file_and_environment_say_the_same() -> None:
    found = facts(Models(big="a/big"))

    assert settings_of(found)["env"] == pinned(found)


def test_what_would_lead_requests_elsewhere_is_emptied_in_both() -> None:
    found = variables()

    assert {found[name] for name in NEUTRALISED} == {""}
    assert settings_of(facts(Models(big="a/big")))["apiKeyHelper"] == ""


def test_the_users_settings_are_kept_and_ours_win() -> None:
    users = {
        "env": {"FOO": "1", "ANTHROPIC_BASE_URL": "http://evil"},
        "statusLine": {"x": 1},
        "permissions": {"allow": ["Read"]},
    }
    ours = {"env": {"ANTHROPIC_BASE_URL": "http://ours"}, "permissions": {"disableAutoMode": "disable"}, "model": "m"}

    assert merged(users, ours) == {
        "env": {"FOO": "1", "ANTHROPIC_BASE_URL": "http://ours"},
        "statusLine": {"x": 1},
        "permissions": {"allow": ["Read"], "disableAutoMode": "disable"},
        "model": "m",
    }


def test_placeholders_are_filled_everywhere() -> None:
    text = json.dumps(settings_of(facts(Models(big="a/big"))))

    env = json.loads(filled(text, url="http://127.0.0.1:5", token="t0", no_proxy="a,b"))["env"]

    assert (env["ANTHROPIC_BASE_URL"], env["ANTHROPIC_AUTH_TOKEN"], env["NO_PROXY"]) == (
        "http://127.0.0.1:5",
        "t0",
        "a,b",
    )


def test_the_users_variables_stay_except_our_key_and_what_an_outer_session_left() -> None:
    environ = {"AWS_SECRET": "kept", "OPENROUTER_API_KEY": "sk-or-v1-x", "PATH": "/bin", **dict.fromkeys(REMOVED, "1")}

    child = environment_of(
        environ, {"ANTHROPIC_MODEL": "m"}, without=("OPENROUTER_API_KEY",), settings_path="/run/s.json"
    )

    assert child == {"AWS_SECRET": "kept", "PATH": "/bin", "ANTHROPIC_MODEL": "m", MARK: "/run/s.json"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "corp.example,127.0.0.1"}, "corp.example,127.0.0.1,localhost,::1"),
        ({"NO_PROXY": "a", "no_proxy": "b,a"}, "a,b,127.0.0.1,localhost,::1"),
        ({"no_proxy": "*"}, "*,127.0.0.1,localhost,::1"),
    ],
)
def test_loopback_is_added_to_the_hosts_that_need_no_proxy(environ: dict[str, str], expected: str) -> None:
    assert no_proxy_of(environ) == expected


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_value_of_the_users_can_break_the_settings_file(upper: str, lower: str) -> None:
    hosts = no_proxy_of({"NO_PROXY": upper, "no_proxy": lower})

    assert json.loads(filled('{"x":"claude-or-no-proxy"}', url="u", token="t", no_proxy=hosts)) == {"x": hosts}
    assert hosts.split(",")[-1] in LOOPBACK or set(LOOPBACK) <= set(hosts.split(","))
