"""`claude-or models search`, `show` and `refresh`."""

from __future__ import annotations

import io
import json
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from claude_or.cli.app import run
from claude_or.cli.app_models import dollars, tokens
from claude_or.cli.market import SORTS, Search, refresh, search
from claude_or.cli.one_model import show
from claude_or.cli.render import show as render
from claude_or.cli.result import CommandResult
from claude_or.errors import EXIT_USAGE, ClaudeOrError
from claude_or.session.keys import forget_key, store_key
from tests.cli.conftest import KEY, write_config
from tests.cli.host import Host
from tests.fakes.listing import FREE, GLM, GPT, SMALL, default_listing, endpoints, listed

NOW = 1_795_000_000.0
DAY = 86_400.0


@pytest.fixture(autouse=True)
def market(host: Host) -> Host:
    """A host with many kinds of models."""
    entries = default_listing()
    host.answers["/models/user"] = (200, {"data": entries})
    host.answers[f"/models/{GLM}/endpoints"] = (200, {"data": endpoints(entries[0])})
    return host


def found(result: CommandResult) -> list[str]:
    return [model["slug"] for model in result.data["models"]]


def texts(result: CommandResult) -> list[str]:
    return [finding.text for finding in result.findings]


def ask(environ: dict[str, str], cwd: str, text: str = "", now: float = NOW, **filters: Any) -> CommandResult:
    return search(Search(text=text, **filters), environ, cwd, now)


@pytest.mark.parametrize(
    ("text", "filters", "slugs"),
    [
        ("glm", {}, [GLM]),
        ("GLM5.3", {}, [GLM]),
        ("z-ai 5.3", {}, [GLM]),
        ("opus", {}, ["anthropic/claude-opus-5.5", "~anthropic/claude-opus-latest"]),
        ("tiny", {}, []),
        ("tiny", {"without_tools": True}, [FREE]),
        ("", {"free": True, "without_tools": True}, [FREE]),
        ("", {"max_price": Decimal("0.6")}, [GLM]),
        ("gpt", {"min_context": 1_000_000, "images": True, "reasoning": True}, [GPT]),
        ("glm", {"min_context": 500_000}, []),  # its first provider takes 203K, whatever the model could
        ("glm", {"images": True}, []),
        ("qwen", {"reasoning": True}, []),
    ],
)
def test_words_and_filters_find(
    environ: dict[str, str], cwd: str, text: str, filters: dict[str, Any], slugs: list[str]
) -> None:
    result = ask(environ, cwd, text, **filters)
    assert found(result) == slugs
    assert result.exit_code == (0 if slugs else 1)


def test_orders_put_first_what_they_name_and_unknown_prices_last(environ: dict[str, str], cwd: str) -> None:
    by = {sort: found(ask(environ, cwd, sort=sort)) for sort in SORTS}
    assert by["price"][0] == GLM
    assert by["price"][-1] == "openrouter/auto"
    assert by["context"][0] == "openrouter/auto"
    assert by["name"] == sorted(by["name"])
    with pytest.raises(ClaudeOrError) as caught:
        ask(environ, cwd, sort="best")
    assert caught.value.exit_code == EXIT_USAGE


def test_a_long_result_is_cut_and_says_so(environ: dict[str, str], cwd: str) -> None:
    result = ask(environ, cwd, limit=2)
    assert len(found(result)) == 2
    assert result.data["found"] > 2
    assert texts(result)[-1] == f"{result.data['found']} models fit, 2 are shown"


def test_a_typo_finds_the_nearest_name(environ: dict[str, str], cwd: str) -> None:
    result = ask(environ, cwd, "qwen4-codr-flsh")
    assert found(result) == []
    assert SMALL in result.findings[-1].fix
    with pytest.raises(ClaudeOrError) as caught:
        show("z-ai/glm-53x", environ, cwd, NOW)
    assert GLM in caught.value.hint


def test_offline_the_kept_list_serves_and_its_age_is_told(environ: dict[str, str], cwd: str, host: Host) -> None:
    ask(environ, cwd)
    host.answers = {}
    later = NOW + 3 * DAY
    assert found(ask(environ, cwd, "glm", now=later)) == [GLM]
    shown = show(GLM, environ, cwd, later)
    assert shown.data["model"]["window"] == 202_752
    assert shown.data["endpoints"] is None
    assert [text.partition(":")[0] for text in texts(shown)] == [
        "the list of models was fetched 3 days ago",
        "its providers could not be asked",
    ]
    assert shown.exit_code == 0


def test_without_any_list_the_bundled_facts_serve_and_what_they_lack_is_told(
    environ: dict[str, str], cwd: str, host: Host
) -> None:
    host.answers = {}
    known = show("moonshotai/kimi-k3", environ, cwd, NOW)
    assert (known.data["model"]["window"], known.exit_code) == (1_048_576, 0)
    unknown = show("moonshotai/kim-k3", environ, cwd, NOW)
    assert unknown.data["model"] is None
    told = next(finding for finding in unknown.findings if finding.check == "models")
    assert told.text == "of moonshotai/kim-k3 nothing is known without the list"
    assert "moonshotai/kimi-k3" in told.fix
    with pytest.raises(ClaudeOrError) as caught:
        show("kimi-k3", environ, cwd, NOW)
    assert "moonshotai/kimi-k3" in caught.value.hint
    assert refresh(environ, cwd, NOW).findings[0].fix == "Try again with a network."


def test_a_model_is_shown_with_its_providers_and_parameters(environ: dict[str, str], cwd: str) -> None:
    result = show(GLM, environ, cwd, NOW)
    assert result.data["model"]["usd_per_million"]["input"] == pytest.approx(0.6)
    assert "tools" in result.data["model"]["parameters"]
    assert [(e["provider"], e["window"]) for e in result.data["endpoints"]] == [
        ("DeepInfra", 202_752),
        ("Novita", 1_048_576),
    ]
    out = io.StringIO()
    render(result, as_json=False, out=out)
    assert "203K (the model's own is 1.05M; its first provider takes less)" in out.getvalue()


def test_a_variant_an_alias_and_a_pointer_are_followed(environ: dict[str, str], cwd: str, host: Host) -> None:
    write_config(environ, f"aliases:\n  glm: {GLM}\n")
    assert show("glm", environ, cwd, NOW).data["model"]["slug"] == GLM
    result = show(f"{GLM}:nitro", environ, cwd, NOW)
    assert result.data["model"]["slug"] == GLM
    assert f":nitro only says how to route; limits and prices are those of {GLM}" in texts(result)
    assert show("~anthropic/claude-opus-latest", environ, cwd, NOW).data["model"]["alias_target"] == (
        "anthropic/claude-opus-5.5"
    )
    assert show(FREE, environ, cwd, NOW).data["model"]["slug"] == FREE


def test_a_role_and_every_name_that_a_session_takes_are_followed(environ: dict[str, str], cwd: str) -> None:
    write_config(environ, f"models:\n  big: strong\n  vision: {GPT}\naliases:\n  best-one: {GLM}\n  strong: best-one\n")
    for name in ("big", "opus", "sonnet[1m]", "claude-or/subagent", "claude-opus-9", "strong", f"openrouter/{GLM}"):
        assert show(name, environ, cwd, NOW).data["model"]["slug"] == GLM, name
    assert show("vision", environ, cwd, NOW).data["model"]["slug"] == GPT
    assert f"{GLM} (opus: follows models.big, strong)" in texts(show("opus", environ, cwd, NOW))


def test_of_a_model_elsewhere_the_configuration_tells(environ: dict[str, str], cwd: str, host: Host) -> None:
    write_config(environ, "providers:\n  ollama:\n    models: {coder: {context_window: 65536, images: true}}\n")
    told = show("ollama:coder", environ, cwd, NOW)
    assert (told.data["model"]["host"], told.data["model"]["window"], told.exit_code) == ("ollama", 65_536, 0)
    ready = show("groq:openai/gpt-oss-20b", environ, cwd, NOW)
    assert ready.data["model"]["slug"] == "openai/gpt-oss-20b"
    assert "providers.groq.models" in ready.findings[0].fix
    out = io.StringIO()
    render(ready, as_json=False, out=out)
    assert "128K? (nobody told it)" in out.getvalue()
    assert host.asked == []
    with pytest.raises(ClaudeOrError, match="nowhere:x is not in the list"):
        show("nowhere:x", environ, cwd, NOW)


def test_the_key_that_was_stored_and_that_of_a_command_get_the_accounts_own_listing(
    environ: dict[str, str], cwd: str, host: Host
) -> None:
    del environ["OPENROUTER_API_KEY"]
    store_key(environ, KEY, in_file=True)
    assert refresh(environ, cwd, NOW).data["listing"]["source"] == "/models/user"
    forget_key(environ)
    write_config(environ, f"openrouter:\n  key_command: echo {KEY}\n")
    assert refresh(environ, cwd, NOW).data["listing"]["source"] == "/models/user"
    show(GLM, environ, cwd, NOW)
    assert {bearer for _, bearer in host.asked} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("body", [b"<html>", b"[]", {"data": {}}])
def test_providers_that_cannot_be_read_are_told_as_unknown(
    environ: dict[str, str], cwd: str, host: Host, body: Any
) -> None:
    host.answers[f"/models/{GLM}/endpoints"] = (200, body)
    result = show(GLM, environ, cwd, NOW)
    assert result.data["endpoints"] is None
    assert texts(result)[-1] == "its providers could not be asked: the answer was no list of endpoints"


def test_refresh_asks_although_the_kept_list_is_young(environ: dict[str, str], cwd: str, host: Host) -> None:
    ask(environ, cwd)
    host.answers["/models/user"] = (200, {"data": [listed("acme/new")]})
    assert refresh(environ, cwd, NOW + 1).data["listing"]["models"] == 1
    assert found(ask(environ, cwd, "acme", now=NOW + 2)) == ["acme/new"]


def test_a_refresh_that_fails_says_why_and_keeps_what_there_was(environ: dict[str, str], cwd: str, host: Host) -> None:
    ask(environ, cwd)
    host.answers["/models/user"] = (502, b"<html>")
    result = refresh(environ, cwd, NOW + 1)
    assert result.exit_code == 1
    assert "status 502" in texts(result)[0]
    assert found(ask(environ, cwd, "glm", now=NOW + 2)) == [GLM]


@pytest.mark.parametrize("damage", [b"", b"{", b'{"format":1}', b"\x00" * 100])
def test_a_damaged_list_is_fetched_anew(environ: dict[str, str], cwd: str, damage: bytes) -> None:
    ask(environ, cwd)
    (kept,) = Path(environ["HOME"]).rglob("models.json")
    kept.write_bytes(damage)
    assert found(ask(environ, cwd, "glm", now=NOW + 1)) == [GLM]


def test_the_command_line_reads_every_option(
    environ: dict[str, str], cwd: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(cwd)
    for name in [*os.environ]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    filters = ["--max-price", "$2", "--context", "1M", "--images", "--reasoning", "--sort", "price", "--limit", "1"]
    assert run(["models", "search", "gpt", "6.1", *filters, "--json"]) == 0
    assert [model["slug"] for model in json.loads(capsys.readouterr().out)["data"]["models"]] == [GPT]
    assert run(["models", "show", GLM, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["command"] == "models show"
    assert run(["models", "refresh", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["listing"]["source"] == "/models/user"
    assert run(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["command"] == "models"


def test_a_narrow_terminal_shows_every_slug_whole(
    environ: dict[str, str], cwd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    result = ask(environ, cwd)
    render(result, as_json=False, out=out)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert max(map(len, lines)) <= 100
    assert all(any(slug in line for line in lines) for slug in found(result))


def test_numbers_are_read_as_people_write_them() -> None:
    assert [tokens(text) for text in ("200000", "200K", "200k", "1M", "1.5m")] == [
        200_000,
        200_000,
        200_000,
        1_000_000,
        1_500_000,
    ]
    assert [dollars(text) for text in ("2", "$0.5", " 3 ")] == [Decimal(2), Decimal("0.5"), Decimal(3)]
    for read, bad in (
        (tokens, "many"),
        (tokens, ""),
        (tokens, "infK"),
        (dollars, "-1"),
        (dollars, "nan"),
        (dollars, "x"),
    ):
        with pytest.raises(ClaudeOrError):
            read(bad)
