"""Settings that fight with a session are found at every scope and named by file and key, never by value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claude_or.config.schema import Client, Settings
from claude_or.session.conflicts import PINNED, PINNED_PREFIX, Conflict, conflicts, conflicts_in
from claude_or.session.environment import pinned, settings_of
from claude_or.session.facts import facts_of

SECRET = "sk-ant-of-somebody"


def put(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def found(tmp_path: Path, **environ: str) -> list[Conflict]:
    return conflicts(
        {"HOME": str(tmp_path / "home"), **environ}, str(tmp_path / "project"), managed=str(tmp_path / "managed")
    )


@pytest.mark.parametrize(
    ("scope", "place", "wins"),
    [
        ("user", "home/.claude/settings.json", False),
        ("project", "project/.claude/settings.json", False),
        ("local", "project/.claude/settings.local.json", False),
        ("managed", "managed/managed-settings.json", True),
        ("managed", "managed/managed-settings.d/10-company.json", True),
    ],
)
@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"env": {"ANTHROPIC_BASE_URL": "https://elsewhere.example"}}, "env.ANTHROPIC_BASE_URL"),
        ({"env": {"ANTHROPIC_AUTH_TOKEN": SECRET}}, "env.ANTHROPIC_AUTH_TOKEN"),
        ({"env": {"ANTHROPIC_API_KEY": SECRET}}, "env.ANTHROPIC_API_KEY"),
        ({"env": {"ANTHROPIC_DEFAULT_OPUS_MODEL": "x"}}, "env.ANTHROPIC_DEFAULT_OPUS_MODEL"),
        ({"env": {"CLAUDE_CODE_USE_BEDROCK": "1"}}, "env.CLAUDE_CODE_USE_BEDROCK"),
        ({"env": {"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "9"}}, "env.CLAUDE_CODE_MAX_CONTEXT_TOKENS"),
        ({"apiKeyHelper": f"echo {SECRET}"}, "apiKeyHelper"),
        ({"model": "opus"}, "model"),
        ({"env": {"CLAUDE_CODE_USE_MANTLE": "1"}}, "env.CLAUDE_CODE_USE_MANTLE"),
    ],
)
def test_each_scope_is_looked_through(
    tmp_path: Path, scope: Any, place: str, wins: bool, settings: dict[str, Any], key: str
) -> None:
    path = put(tmp_path / place, settings)

    (conflict,) = found(tmp_path)

    assert conflict == Conflict(scope, path, key, wins)
    assert path in str(conflict)
    assert key in str(conflict)
    assert SECRET not in str(conflict)
    assert ("outranks" in str(conflict)) == wins


def test_another_configuration_folder_is_honoured(tmp_path: Path) -> None:
    put(tmp_path / "home/.claude/settings.json", {"model": "opus"})
    path = put(tmp_path / "other/settings.json", {"apiKeyHelper": "x"})

    assert [conflict.path for conflict in found(tmp_path, CLAUDE_CONFIG_DIR=str(tmp_path / "other"))] == [path]


def test_a_proxy_is_named_but_harmless_at_every_scope(tmp_path: Path) -> None:
    put(tmp_path / "managed/managed-settings.json", {"env": {"HTTPS_PROXY": f"http://me:{SECRET}@proxy.example"}})

    (conflict,) = found(tmp_path)

    assert not conflict.wins
    assert "loopback is excepted" in str(conflict)
    assert SECRET not in str(conflict)


@pytest.mark.parametrize("key", ["availableModels", "forceLoginMethod", "forceLoginOrgUUID", "forceLoginGatewayUrl"])
def test_what_only_an_administrator_can_enforce_counts_at_that_scope_alone(tmp_path: Path, key: str) -> None:
    put(tmp_path / "home/.claude/settings.json", {key: ["x"]})
    assert found(tmp_path) == []
    put(tmp_path / "managed/managed-settings.json", {key: ["x"]})
    assert [(conflict.key, conflict.wins) for conflict in found(tmp_path)] == [(key, True)]


def test_the_users_exceptions_from_a_proxy_are_no_conflict_and_a_projects_are(tmp_path: Path) -> None:
    for place in ("home/.claude/settings.json", "project/.claude/settings.json"):
        put(tmp_path / place, {"env": {"NO_PROXY": "git.example"}})

    assert [(conflict.scope, conflict.key) for conflict in found(tmp_path)] == [("project", "env.NO_PROXY")]


def test_what_outranks_the_session_comes_first(tmp_path: Path) -> None:
    put(tmp_path / "home/.claude/settings.json", {"model": "opus"})
    put(tmp_path / "managed/managed-settings.json", {"availableModels": ["opus"]})

    assert [conflict.key for conflict in found(tmp_path)] == ["availableModels", "model"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"env": []}', '{"env": null, "model": ""}', "[" * 100_000, '{"theme": "dark"}']
)
def test_files_without_conflicts_have_none(tmp_path: Path, content: str) -> None:
    put(tmp_path / "home/.claude/settings.json", content)

    assert found(tmp_path) == []


def test_files_that_cannot_be_read_have_none(tmp_path: Path) -> None:
    (tmp_path / "home/.claude/settings.json").mkdir(parents=True)
    (tmp_path / "managed").write_text("no folder")

    assert found(tmp_path) == []


@pytest.mark.parametrize("auto_mode", ["off", "local"])
@pytest.mark.parametrize("window", [65_536, 131_072, 400_000])
def test_everything_that_a_session_pins_is_known_to_the_scan(auto_mode: Any, window: int) -> None:
    facts = facts_of(Settings(client=Client(auto_mode=auto_mode)), lambda _: (window, None))

    assert {name for name in pinned(facts) if not name.startswith(PINNED_PREFIX)} <= PINNED
    others = {"env", "skipWebFetchPreflight", "permissions", "statusLine"}
    keys = settings_of(facts).keys() - others
    assert {conflict.key for conflict in conflicts_in("user", "p", dict.fromkeys(keys, "x"))} == keys
