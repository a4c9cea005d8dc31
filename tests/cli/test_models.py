"""`claude-or models`: the answer and what it needs for it."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from typing import Any

import pytest

from claude_or.cli.models import age_text, models, price_text, tokens_text
from claude_or.cli.render import show
from claude_or.cli.result import CommandResult
from claude_or.config.load import Overrides
from claude_or.errors import EXIT_CONFIG, ClaudeOrError
from tests.cli.conftest import write_config
from tests.cli.host import Host, listed, usual_listing
from tests.cli.test_render import Terminal
from tests.fakes.listing import default_listing

NOW = 1_795_000_000.0
DAY = 86_400.0


def ask(environ: dict[str, str], cwd: str, now: float = NOW, **overrides: str) -> CommandResult:
    return models(environ, cwd, Overrides(**overrides), now)


def role(result: CommandResult, name: str) -> dict[str, Any]:
    return next(role for role in result.data["roles"] if role["role"] == name)


def said(result: CommandResult) -> list[tuple[str, str]]:
    return [(finding.level, finding.text) for finding in result.findings]


def test_each_role_is_told_with_model_origin_limits_prices_and_abilities(environ: dict[str, str], cwd: str) -> None:
    write_config(environ, "models:\n  opus: glm\naliases:\n  glm: z-ai/glm-5.3\n")
    result = ask(environ, cwd)
    assert role(result, "opus") == {
        "role": "opus",
        "slug": "z-ai/glm-5.3",
        "host": "openrouter",
        "path": "chat",
        "path_reason": "translated by claude-or",
        "reason": "models.opus is glm",
        "setting": "models.opus",
        "origin": {"layer": "user", "where": "~/.config/claude-or/config.yaml", "line": 2},
        "alias_target": None,
        "listed": True,
        "window": 200_000,
        "window_assumed": None,
        "max_output": 64_000,
        "usd_per_million": {"input": 2.0, "output": 10.0, "cache_read": 0.1, "cache_write": None},
        "tools": True,
        "images": False,
        "reasoning": True,
        "expires": None,
        "origins": {"window": "listing", "max_output": "endpoint", "price": "listing", "abilities": "listing"},
    }
    assert role(result, "main")["origin"] == {"layer": "default", "where": "", "line": None}
    assert result.data["listing"]["models"] == 5
    assert result.exit_code == 0


def test_the_accounts_listing_is_asked_with_the_key_and_once_a_day_at_most(
    environ: dict[str, str], cwd: str, host: Host
) -> None:
    for now in (NOW, NOW + 1, NOW + DAY - 1):
        assert ask(environ, cwd, now).data["listing"]["stale"] is False
    assert host.asked == [("/models/user", f"Bearer {environ['OPENROUTER_API_KEY']}")]
    ask(environ, cwd, NOW + DAY + 1)
    assert len(host.asked) == 2


def test_without_a_key_the_public_listing_does(environ: dict[str, str], cwd: str, host: Host) -> None:
    del environ["OPENROUTER_API_KEY"]
    assert role(ask(environ, cwd), "main")["listed"] is True
    assert host.asked == [("/models", "")]


def test_offline_the_old_listing_serves_with_its_age_and_the_reason(
    environ: dict[str, str], cwd: str, host: Host
) -> None:
    ask(environ, cwd)
    host.answers = {path: (503, {}) for path in host.answers}
    result = ask(environ, cwd, NOW + 3 * DAY)
    assert role(result, "main")["window"] == 200_000
    assert said(result) == [
        ("warn", "the list of models was fetched 3 days ago: GET /models/user was answered with status 503")
    ]
    assert result.exit_code == 0


def test_without_any_listing_the_roles_are_told_all_the_same(environ: dict[str, str], cwd: str) -> None:
    environ["OPENROUTER_BASE_URL"] = "http://127.0.0.1:9/api/v1"
    result = ask(environ, cwd, big="z-ai/glm-5.3")
    assert role(result, "main")["slug"] == "z-ai/glm-5.3"
    assert role(result, "main")["listed"] is None
    assert role(result, "main")["window"] == 1_048_576
    assert [level for level, _ in said(result)] == ["warn"]
    assert "only the facts of 2026-" in result.findings[0].text
    assert "cannot be reached" in result.findings[0].text
    assert result.exit_code == 0


OTHER_HOSTS = """
models: {big: "lab:coder", small: z-ai/glm-5.3, opus: "ollama:x", haiku: acme/narrow, long_context: acme/long-preview-2026}
fallbacks: {big: [acme/spare]}
providers:
  lab:
    base_url: http://127.0.0.1:9/v1
    models: {coder: {context_window: 131072, images: true}}
"""


def in_use(result: CommandResult, slug: str) -> dict[str, Any]:
    return next(model for model in result.data["models"] if model["slug"] == slug)


def test_every_value_of_every_model_in_use_tells_who_said_it(environ: dict[str, str], cwd: str, host: Host) -> None:
    write_config(environ, OTHER_HOSTS)
    narrow = listed("acme/narrow", top_provider={"context_length": 100_000, "max_completion_tokens": None}, pricing={})
    host.answers["/models/user"] = (200, {"data": [*usual_listing()["data"], narrow, listed("acme/spare")]})
    result = ask(environ, cwd)

    def told(slug: str) -> tuple[Any, ...]:
        model = in_use(result, slug)
        origins = model["origins"]
        return (
            *((model[name], origins[name]) for name in ("window", "max_output")),
            (model["tools"], model["images"], model["reasoning"], origins["abilities"]),
            origins["price"],
        )

    assert told("coder") == (
        (131_072, "config"), (None, "unknown"), (None, True, None, "config"), "assumed",
    )  # fmt: skip
    assert told("x") == ((None, "assumed"), (None, "unknown"), (None, None, None, "unknown"), "assumed")
    assert in_use(result, "x")["usd_per_million"]["input"] == 0
    assert in_use(result, "x")["window_assumed"] == 128_000
    assert told("acme/narrow") == (
        (100_000, "endpoint"), (None, "unknown"), (True, True, True, "listing"), "unknown",
    )  # fmt: skip
    assert told("acme/spare")[0] == (200_000, "listing")
    assert told("acme/long-preview-2026")[0] == (None, "assumed")
    assert in_use(result, "acme/long-preview-2026")["listed"] is False
    assert role(result, "long_context")["reason"] == "models.long_context is acme/long-preview-2026"
    assert [in_use(result, slug)["uses"] for slug in ("acme/spare", "acme/long-preview-2026", "acme/narrow")] == [
        ["fallback"], ["long_context"], ["haiku"],
    ]  # fmt: skip
    environ["OPENROUTER_BASE_URL"] = "http://127.0.0.1:9/api/v1"
    old = in_use(ask(environ, cwd), "z-ai/glm-5.3")["origins"]
    assert old == {"window": "bundled", "max_output": "unknown", "price": "bundled", "abilities": "bundled"}


def test_with_local_models_alone_openrouter_is_not_asked(environ: dict[str, str], cwd: str, host: Host) -> None:
    write_config(environ, "models: {big: 'ollama:coder'}\n")
    result = ask(environ, cwd)
    assert (host.asked, result.findings, result.data["listing"]) == ([], (), None)
    assert role(result, "haiku")["slug"] == "coder"
    ask(environ, cwd, small="z-ai/glm-5.3")
    assert host.asked


@pytest.mark.parametrize("width", [80, 120])
def test_role_path_and_every_figure_are_there_on_narrow_and_wide_terminals(
    environ: dict[str, str], cwd: str, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    write_config(environ, OTHER_HOSTS)
    monkeypatch.setenv("COLUMNS", str(width))
    out = Terminal()
    show(ask(environ, cwd), as_json=False, out=out)
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in out.getvalue().split("\n")]
    assert max(map(len, lines)) <= width
    cells = [line.split() for line in lines]
    assert ["main", "lab:coder", "chat", "config.yaml:2"] in cells
    coder = next(line for line in cells if line[:2] == ["lab:coder", "131K"])
    assert coder[2:5] == ["?", "free", "tools?"]
    assert "images" in coder
    assert ["ollama:x", "128K?", "?", "free", "?"] in cells
    glm = next(line for line in cells if line[:2] == ["z-ai/glm-5.3", "200K"])
    assert glm[2:] == ["64K", "2.00", "10.00", "0.10", "tools", "reasoning"]
    assert ["long", "context"] in cells
    assert ["long", "context", "acme/long-preview-2026", "chat", "config.yaml:2"] in cells


def test_without_a_configuration_every_name_is_whole_on_a_terminal_of_80_columns(
    environ: dict[str, str], cwd: str, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    host.answers["/models/user"] = (200, {"data": default_listing()})
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    show(ask(environ, cwd), as_json=False, out=out)
    words = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).split()
    for family in ("opus", "sonnet", "haiku", "fable"):
        assert f"~anthropic/claude-{family}-latest" in words
        assert f"anthropic/claude-{family}-5.5" in words


def test_a_model_that_the_bundled_facts_lack_is_no_mistake(environ: dict[str, str], cwd: str) -> None:
    environ["OPENROUTER_BASE_URL"] = "http://127.0.0.1:9/api/v1"
    result = ask(environ, cwd, big="acme/new")
    assert (role(result, "main")["listed"], role(result, "main")["window"]) == (None, None)
    assert said(result)[1:] == [
        ("note", "of acme/new (main, opus, sonnet, fable, subagent) nothing is known without the list")
    ]
    assert result.exit_code == 0


def test_a_host_that_never_answers_costs_two_seconds(environ: dict[str, str], cwd: str, host: Host) -> None:
    host.answers["/models/user"] = (200, None)
    started = time.monotonic()
    result = ask(environ, cwd)
    assert time.monotonic() - started < 30
    assert "within 2 s" in result.findings[0].text


def test_a_model_that_is_not_listed_is_an_error_with_the_nearest_name(environ: dict[str, str], cwd: str) -> None:
    result = ask(environ, cwd, big="z-ai/glm5.3")
    finding = next(finding for finding in result.findings if finding.level == "error")
    assert finding.text == "z-ai/glm5.3 (main, opus, sonnet, fable, subagent) is not in the list"
    assert finding.fix == "Did you mean z-ai/glm-5.3?"
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("fields", "level", "text"),
    [
        ({"supported_parameters": []}, "error", "takes no tools; Claude Code cannot work with it"),
        ({"context_length": 32_768}, "warn", "has a window of 33K, too small for Claude Code"),
        (
            {"pricing": {"prompt": "0", "completion": "0"}},
            "note",
            "is free: hosts of free models often keep prompts and train on them",
        ),
        ({"expiration_date": "2026-11-30"}, "warn", "goes away on 2026-11-30"),
        ({"expiration_date": "2026-01-01T00:00:00Z"}, "warn", "was to go away on 2026-01-01"),
    ],
)
def test_what_would_spoil_a_session_is_told_before(
    environ: dict[str, str], cwd: str, host: Host, fields: dict[str, Any], level: str, text: str
) -> None:
    listing = {"data": [*usual_listing()["data"], listed("acme/one", **fields)]}
    host.answers["/models/user"] = (200, listing)
    findings = said(ask(environ, cwd, big="acme/one"))
    assert (level, f"acme/one (main, opus, sonnet, fable, subagent) {text}") in findings
    assert len(findings) == 2


def test_a_small_model_needs_neither_tools_nor_a_large_window(environ: dict[str, str], cwd: str, host: Host) -> None:
    entry = listed("acme/tiny", supported_parameters=[], context_length=8_000)
    host.answers["/models/user"] = (200, {"data": [*usual_listing()["data"], entry]})
    write_config(environ, "models:\n  small: acme/tiny\n  haiku: z-ai/glm-5.3\n")
    assert ask(environ, cwd).exit_code == 0


def test_a_preset_cannot_be_listed_and_is_no_error(environ: dict[str, str], cwd: str) -> None:
    assert ask(environ, cwd, big="@preset/mine").exit_code == 0


def test_the_listing_of_another_host_is_not_used(environ: dict[str, str], cwd: str) -> None:
    ask(environ, cwd)
    environ["OPENROUTER_BASE_URL"] = "http://127.0.0.1:9/api/v1"
    assert ask(environ, cwd).data["listing"]["source"] == "bundled"


def test_a_wrong_configuration_is_the_callers_to_show(environ: dict[str, str], cwd: str) -> None:
    write_config(environ, "modles: {}\n")
    with pytest.raises(ClaudeOrError) as caught:
        ask(environ, cwd)
    assert caught.value.exit_code == EXIT_CONFIG


def test_figures_are_written_as_people_read_them() -> None:
    assert [tokens_text(n) for n in (None, 999, 32_768, 202_752, 999_999, 1_000_000, 1_048_576, 2_000_000)] == [
        "?", "999", "33K", "203K", "1M", "1M", "1.05M", "2M",
    ]  # fmt: skip
    assert [price_text(n and Decimal(n)) for n in (None, "0", "0.000002", "0.00000011", "0.0000000062")] == [
        "?", "0.00", "2.00", "0.11", "0.0062",
    ]  # fmt: skip
    assert [age_text(seconds) for seconds in (5, 240, 3 * 3600, 12 * DAY)] == [
        "fetched now",
        "fetched 4 min ago",
        "fetched 3 h ago",
        "fetched 12 days ago",
    ]
