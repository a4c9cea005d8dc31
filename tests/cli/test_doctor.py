"""`claude-or doctor` in good and broken worlds: each names its cause and a next step, and none shows the key."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from claude_or.cli import doctor as command
from claude_or.cli.doctor import Surroundings, doctor
from claude_or.cli.result import CommandResult, Finding
from claude_or.config.load import Overrides
from claude_or.errors import EXIT_CLAUDE_MISSING, ClaudeOrError
from claude_or.session.conflicts import Conflict
from tests.cli.conftest import KEY, write_config
from tests.cli.host import Host, usual_key

NOW = 1_795_000_000.0

Examine = Callable[..., CommandResult]


def script(folder: Path, text: str, mode: int = 0o755) -> str:
    """A program in the place of Claude Code."""
    path = folder / "claude"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(mode)
    return str(path)


@pytest.fixture
def examine(environ: dict[str, str], cwd: str, tmp_path: Path, host: Host) -> Examine:
    """Run doctor in the fixture's world; `claude` is the program's text, None for not found."""
    host.now = NOW

    def run(claude: str | None = "echo '2.1.330 (Claude Code)'", mode: int = 0o755, **overrides: str) -> CommandResult:
        path = script(tmp_path, claude, mode) if claude is not None else None

        def find(_: Mapping[str, str]) -> str | None:
            return path

        return doctor(Surroundings(environ, cwd, Overrides(**overrides), NOW, find))

    return run


def of(result: CommandResult, check: str) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in result.findings if finding.check == check]


def only(result: CommandResult, level: str) -> Finding:
    (finding,) = [finding for finding in result.findings if finding.level == level]
    return finding


def test_a_good_world_has_only_good_findings(examine: Examine, tmp_path: Path) -> None:
    result = examine()
    assert {finding.check for finding in result.findings} == {
        "config",
        "settings",
        "claude",
        "key",
        "host",
        "listing",
        "models",
        "clock",
        "terminal",
        "disk",
        "leftovers",
    }
    assert {finding.level for finding in result.findings} <= {"ok", "note"}
    assert of(result, "claude") == [("ok", f"Claude Code 2.1.330 at {tmp_path}/claude")]
    assert of(result, "key") == [("ok", "sk-or-v1-…def from OPENROUTER_API_KEY, accepted; no limit of its own")]
    assert (result.exit_code, result.summary, result.data) == (0, "No problems.", {"errors": 0, "warnings": 0})


def test_settings_that_contradict_a_session_are_named(examine: Examine, environ: dict[str, str], cwd: str) -> None:
    place = Path(cwd) / ".claude"
    place.mkdir()
    (place / "settings.local.json").write_text('{"env": {"ANTHROPIC_BASE_URL": "https://elsewhere.example"}}')
    environ["CLAUDE_CONFIG_DIR"] = str(place / "mine")
    (place / "mine").mkdir()
    (place / "mine" / "settings.json").write_text('{"apiKeyHelper": "cat /secret"}')

    result = examine()

    assert of(result, "settings") == [
        ("note", f"apiKeyHelper in {place}/mine/settings.json (user) is overruled for the session"),
        ("note", f"env.ANTHROPIC_BASE_URL in {place}/settings.local.json (local) is overruled for the session"),
    ]
    assert result.exit_code == 0


def test_what_an_administrator_enforces_is_a_warning(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    enforced = Conflict("managed", "/etc/m.json", "env.ANTHROPIC_BASE_URL", wins=True)
    monkeypatch.setattr(command, "conflicts", lambda *_: [enforced])

    finding = only(examine(), "warn")

    assert (
        finding.text
        == "env.ANTHROPIC_BASE_URL in /etc/m.json (managed) outranks claude-or and may lead requests elsewhere"
    )
    assert "manages this machine" in finding.fix


@pytest.mark.parametrize(("version", "word"), [("1.0.3", "older"), ("99.1.0", "newer")])
def test_a_claude_that_was_not_tested_is_a_warning(examine: Examine, version: str, word: str) -> None:
    finding = only(examine(claude=f"echo '{version} (Claude Code)'"), "warn")

    assert finding.text.startswith(f"Claude Code {version} is {word} than what claude-or was tested with")
    assert "claude-or install-claude --version" in finding.fix


def test_no_claude(examine: Examine) -> None:
    finding = only(examine(claude=None), "error")
    assert (finding.check, finding.text) == ("claude", "Claude Code was not found")
    assert "npm install -g @anthropic-ai/claude-code" in finding.fix


def test_a_claude_named_wrongly(environ: dict[str, str], cwd: str) -> None:
    def find(_: Mapping[str, str]) -> str | None:
        raise ClaudeOrError("CLAUDE_OR_CLAUDE names nothing", hint="Correct it.", exit_code=EXIT_CLAUDE_MISSING)

    finding = only(doctor(Surroundings(environ, cwd, Overrides(), NOW, find)), "error")
    assert (finding.text, finding.fix) == ("CLAUDE_OR_CLAUDE names nothing", "Correct it.")


@pytest.mark.parametrize(
    ("claude", "mode", "text"),
    [
        ("exit 3", 0o755, "said nothing like a version (exit code 3)"),
        ("echo hello", 0o755, "said nothing like a version (exit code 0)"),
        ("", 0o644, "cannot be started: Permission denied"),
    ],
)
def test_a_claude_that_does_not_run(examine: Examine, claude: str, mode: int, text: str) -> None:
    assert only(examine(claude=claude, mode=mode), "error").text.endswith(text)


def test_claude_never_sees_the_key(examine: Examine) -> None:
    assert of(examine(claude='echo "2.0.0$OPENROUTER_API_KEY"'), "claude")[0][1].startswith("Claude Code 2.0.0 at")


def test_a_check_that_hangs_hides_none_of_the_others(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "CHECK_WITHIN_S", 2.0)
    started = time.monotonic()
    result = examine(claude=f"echo $$ > {tmp_path}/pid; exec sleep 60")
    assert time.monotonic() - started < 40
    assert of(result, "claude") == [("error", "no result within 2 s")]
    assert of(result, "host")[0][0] == "ok"
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists(), "the program that hung was left behind"


def test_no_key(examine: Examine, environ: dict[str, str]) -> None:
    del environ["OPENROUTER_API_KEY"]
    result = examine()
    finding = only(result, "error")
    assert (finding.check, finding.text) == ("key", "no OpenRouter API key: OPENROUTER_API_KEY is not set")
    assert "https://openrouter.ai/keys" in finding.fix
    assert of(result, "host")[0][0] == "ok"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_the_host_refuses(examine: Examine, host: Host, status: int) -> None:
    host.answers["/key"] = (status, {"error": {"message": f"bad key {KEY}"}})
    finding = only(examine(), "error")
    assert finding.text == f"sk-or-v1-…def from OPENROUTER_API_KEY was refused by the host (status {status})"
    assert "OPENROUTER_API_KEY" in finding.fix


@pytest.mark.parametrize(
    ("told", "level", "text"),
    [
        ({"limit": 50, "limit_remaining": 0}, "error", "the key limit of $50.00 is used up"),
        ({"limit": 50, "limit_remaining": 1}, "warn", "only $1.00 of the key limit of $50.00 left"),
        (
            {"effective_budget": {"scope": "workspace", "limit_usd": 200, "remaining_usd": -1}},
            "error",
            "the workspace budget of $200.00 is used up",
        ),
        (
            {"is_free_tier": True, "free_model_daily_requests": {"limit": 50, "used": 50, "remaining": 0}},
            "warn",
            "no credits were ever bought: only models that end in :free will answer; 0 of today's 50 free requests left",
        ),
        ({"is_free_tier": True}, "warn", "no credits were ever bought: only models that end in :free will answer"),
        ({"expires_at": "2026-11-20T00:00:00Z"}, "warn", "the key expires on 2026-11-20"),
        ({"is_management_key": True}, "error", "this is a management key; it cannot ask models"),
    ],
)
def test_what_the_host_tells_about_the_key(
    examine: Examine, host: Host, told: dict[str, Any], level: str, text: str
) -> None:
    host.answers["/key"] = (200, usual_key(**told))
    assert only(examine(), level).text == text


@pytest.mark.parametrize("told", [b"[]", b"{}", b'{"data":null}', b'{"data":{"limit":"x","expires_at":5}}', b"<html>"])
def test_an_odd_answer_about_the_key_is_survived(examine: Examine, host: Host, told: bytes) -> None:
    host.answers["/key"] = (200, told)
    assert examine().exit_code == 0


def test_a_key_with_quotes_works_and_is_warned_about(examine: Examine, environ: dict[str, str], host: Host) -> None:
    environ["OPENROUTER_API_KEY"] = f'"{KEY}"'
    assert "quotes" in only(examine(), "warn").text
    assert ("/key", f"Bearer {KEY}") in host.asked


def test_a_host_that_is_not_there(examine: Examine, environ: dict[str, str]) -> None:
    environ["OPENROUTER_BASE_URL"] = "http://127.0.0.1:9/api/v1"
    result = examine()
    finding = only(result, "error")
    assert (finding.check, finding.text.split(" (")[0]) == ("host", "127.0.0.1 cannot be reached")
    assert "OPENROUTER_BASE_URL" in finding.fix
    assert of(result, "key") == [("warn", "sk-or-v1-…def from OPENROUTER_API_KEY, not checked")]


def test_a_host_that_never_answers(examine: Examine, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "REQUEST_WITHIN_S", 0.3)
    host.answers = dict.fromkeys(host.answers, (200, None))
    assert only(examine(), "error").text == "127.0.0.1 gave no answer within 0.3 s"


def test_a_host_in_trouble_is_a_warning(examine: Examine, host: Host) -> None:
    host.answers["/key"] = (503, b"<html>down</html>")
    result = examine()
    assert of(result, "host")[0] == ("warn", f"{host.url.split('/')[2]} answered with status 503")
    assert of(result, "key") == [
        ("warn", "sk-or-v1-…def from OPENROUTER_API_KEY, not checked: the host answered with status 503")
    ]


def test_a_redirect_does_not_carry_the_key_away(examine: Examine, host: Host) -> None:
    host.answers["/key"] = (302, {})
    assert of(examine(), "key")[0][0] == "warn"
    assert [path for path, _ in host.asked].count("/key") == 1


def test_a_wrong_configuration_sends_nothing_anywhere(examine: Examine, environ: dict[str, str], host: Host) -> None:
    write_config(environ, "modles: {}\nlimits:\n  attempts: x\n")
    result = examine()
    assert [level for level, _ in of(result, "config")] == ["error", "error"]
    assert of(result, "claude")[0][0] == "ok"
    assert of(result, "host") == [("note", "not looked at while the configuration is wrong")]
    assert host.asked == []
    assert result.exit_code == 1


def test_the_configuration_read_is_named(examine: Examine, environ: dict[str, str]) -> None:
    assert of(examine(), "config") == [("ok", "no file, all defaults (yours would be ~/.config/claude-or/config.yaml)")]
    write_config(environ, "log_level: debug\n")
    assert of(examine(), "config") == [("ok", "~/.config/claude-or/config.yaml")]


def test_a_model_that_is_not_listed(examine: Examine) -> None:
    result = examine(big="z-ai/glm-5.4")
    assert only(result, "error").text == "z-ai/glm-5.4 (main, opus, sonnet, fable, subagent) is not in the list"
    assert result.summary == "1 error."


@pytest.mark.parametrize("body", [b"\xff" * 100, b"{", b"[" * 10_000])
def test_no_answer_of_the_host_breaks_a_check(examine: Examine, host: Host, body: bytes) -> None:
    host.answers = dict.fromkeys(host.answers, (200, body))
    result = examine()
    assert "bug" not in str(result)
    assert KEY not in str(result)


def test_a_bug_in_one_check_is_told_without_the_key(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> list[Finding]:
        raise RuntimeError(f"with {KEY} inside")

    monkeypatch.setattr(command, "check_models", broken)
    finding = only(examine(), "error")
    assert finding.detail == "RuntimeError: with sk-or-v1-…def inside"


def test_the_key_is_never_shown(examine: Examine, environ: dict[str, str]) -> None:
    write_config(environ, "models:\n  big: a/b\n")
    assert KEY not in str(examine())
