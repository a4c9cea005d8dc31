"""`claude-or doctor` as a process in broken worlds: each names its cause and a next step, shows no key, and ends by the worst."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.cli.host import hosting
from tests.fakes.listing import FREE, GLM, SMALL
from tests.fakes.replies import error, plain
from tests.stories.conftest import KEY, STAND_IN, World
from tests.support.lab import CLAUDE_OR
from tests.support.mcp import configure
from tests.support.terminal import Terminal

Finding = dict[str, str]


class Report:
    """What one run of `doctor --json` told."""

    def __init__(self, out: str, code: int) -> None:
        self.out = out
        self.code = code
        self.findings: list[Finding] = json.loads(out)["findings"]

    def worst(self, check: str) -> Finding:
        found = [one for one in self.findings if one["check"] == check]
        return min(found, key=lambda one: ["error", "warn", "note", "ok"].index(one["level"]))

    def levels(self) -> set[str]:
        return {one["level"] for one in self.findings}


async def examined(world: World, *options: str, **environ: str) -> Report:
    running = await world.start(args=("doctor", "--json", *options), under=(), **environ)
    done = await running.done()
    assert "Traceback" not in done.err
    assert KEY not in done.out + done.err
    return Report(done.out, done.code)


@pytest.fixture
def claude(tmp_path: Path) -> Callable[[str], str]:
    """A program in the place of Claude Code that says this version."""

    def write(version: str) -> str:
        path = tmp_path / "a-claude"
        path.write_text(f"#!/bin/sh\necho '{version} (Claude Code)'\n")
        path.chmod(0o755)
        return str(path)

    return write


@pytest.fixture
def sound(world: World, claude: Callable[[str], str]) -> World:
    """A world in which nothing is wrong."""
    path = claude("2.1.330")
    usual = world.environ
    world.environ = lambda **more: usual(**{"CLAUDE_OR_CLAUDE": path, "SMALL_MODEL": SMALL, **more})  # type: ignore[method-assign]
    return world


async def test_a_sound_world_has_nothing_to_complain_of(sound: World) -> None:
    report = await examined(sound)
    assert report.levels() <= {"ok", "note"}, report.out
    assert report.code == 0
    assert {"claude", "key", "host", "models", "settings", "terminal", "disk", "leftovers", "clock"} <= {
        one["check"] for one in report.findings
    }


LOGS = ".local/state/claude-or"

WORLDS: dict[str, tuple[dict[str, str], str, str, tuple[str, ...]]] = {
    "no claude": ({"CLAUDE_OR_CLAUDE": "", "PATH": "/nonexistent"}, "claude", "error", ("not found", "npm install")),
    "a claude that is none": ({"CLAUDE_OR_CLAUDE": "/bin/true"}, "claude", "error", ("nothing like a version",)),
    "no key": ({"OPENROUTER_API_KEY": ""}, "key", "error", ("OPENROUTER_API_KEY",)),
    "no name server": (
        {"OPENROUTER_BASE_URL": "https://no-such-host.invalid/api/v1"},
        "host",
        "error",
        ("no-such-host.invalid could not be looked up", "name server"),
    ),
    "a dead network proxy": (
        {"OPENROUTER_BASE_URL": "https://host.invalid/api/v1", "HTTPS_PROXY": "http://user:secret@127.0.0.1:9"},
        "host",
        "error",
        ("proxy named in the environment (127.0.0.1:9)", "refused", "HTTPS_PROXY"),
    ),
    "nobody listens": (
        {"OPENROUTER_BASE_URL": "http://127.0.0.1:9/api/v1"},
        "host",
        "error",
        ("127.0.0.1 cannot be reached", "refused"),
    ),
    "a misspelt model": ({"BIG_MODEL": "z-ai/glm-5.33"}, "models", "error", ("z-ai/glm-5.33", "z-ai/glm-5.3")),
    "a model without tools": ({"BIG_MODEL": FREE}, "models", "error", ("tools", FREE)),
}


@pytest.mark.parametrize("name", WORLDS)
async def test_a_broken_world_names_its_cause_and_a_next_step(name: str, sound: World) -> None:
    environ, check, level, words = WORLDS[name]
    report = await examined(sound, **environ)
    worst = report.worst(check)
    assert worst["level"] == level, report.out
    said = " ".join(worst.values())
    assert all(word in said for word in words), worst
    assert worst["fix"]
    assert "secret" not in report.out
    assert report.code == (1 if level == "error" else 0)
    # One cause is told once: what follows from it is no error of its own.
    assert [one["check"] for one in report.findings if one["level"] == "error"] == [check], report.out


async def test_a_certificate_that_nobody_vouches_for(sound: World, tmp_path: Path) -> None:
    authority = trustme.CA()
    async with tls_host(authority) as url:
        worst = (await examined(sound, OPENROUTER_BASE_URL=url)).worst("host")
        assert (worst["level"], "not trusted" in worst["text"]) == ("error", True)
        assert "NODE_EXTRA_CA_CERTS" in worst["fix"]
        named = tmp_path / "company.pem"
        authority.cert_pem.write_to_path(str(named))
        missing = await examined(sound, OPENROUTER_BASE_URL=url, NODE_EXTRA_CA_CERTS=str(tmp_path / "typo.pem"))
        assert "typo.pem, which does not exist" in missing.worst("host")["detail"]
        mended = await examined(sound, OPENROUTER_BASE_URL=url, NODE_EXTRA_CA_CERTS=str(named))
        assert mended.worst("host")["level"] == "warn", mended.out


@asynccontextmanager
async def tls_host(authority: trustme.CA) -> AsyncGenerator[str]:
    """A host that answers 503 over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 503 Resting\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
    finally:
        server.close()


async def test_a_key_that_the_host_refuses(sound: World) -> None:
    sound.host.others["/key"] = error(401, "User not found.")
    worst = (await examined(sound)).worst("key")
    assert (worst["level"], "was refused" in worst["text"], "Make a new key" in worst["fix"]) == ("error", True, True)


async def test_a_key_whose_money_is_gone(sound: World) -> None:
    data: dict[str, Any] = {"label": "x", "limit": 10, "limit_remaining": 0, "is_free_tier": False}
    sound.host.others["/key"] = plain(200, json.dumps({"data": data}).encode(), "application/json")
    worst = (await examined(sound)).worst("key")
    assert (worst["level"], "used up" in worst["text"]) == ("error", True)


async def test_a_host_in_trouble(sound: World) -> None:
    sound.host.others["/key"] = error(503, "resting")
    report = await examined(sound)
    assert report.worst("host")["text"].endswith("answered with status 503")
    assert report.code == 0


@pytest.mark.parametrize(("version", "word"), [("1.0.3", "older than"), ("99.0.0", "newer than")])
async def test_a_claude_that_nobody_tried(sound: World, claude: Callable[[str], str], version: str, word: str) -> None:
    report = await examined(sound, CLAUDE_OR_CLAUDE=claude(version))
    worst = report.worst("claude")
    assert (worst["level"], f"{version} is {word}" in worst["text"]) == ("warn", True)
    assert "install-claude" in worst["fix"]
    assert "CLAUDE_OR_CLAUDE" in worst["fix"]
    assert report.code == 0


async def test_a_configuration_that_is_no_yaml(sound: World) -> None:
    config = sound.home / ".config/claude-or/config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("models:\n\tbig: a/b\n", encoding="utf-8")
    report = await examined(sound)
    worst = report.worst("config")
    assert worst["level"] == "error"
    assert "config.yaml:2" in worst["text"]
    assert "a tab cannot indent a line" in worst["text"]
    assert worst["fix"]
    assert report.code == 1
    assert sound.host.log == [], "the file that is broken may name another host"


async def test_a_refused_key_that_was_stored_is_renewed_where_it_is_stored(sound: World) -> None:
    sound.host.others["/key"] = error(401, "User not found.")
    note = sound.home / ".local/share/claude-or/key.json"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"kept": "file", "key": KEY}))
    note.chmod(0o600)
    worst = (await examined(sound, OPENROUTER_API_KEY="")).worst("key")
    assert "key.json was refused" in worst["text"]
    assert "claude-or login --key" in worst["fix"]


ENDPOINTS = f"/models/{GLM}/endpoints"


def served_by(*providers: dict[str, Any]) -> Any:
    usual = {"provider_name": "Novita", "tag": "novita", "supported_parameters": ["tools"], "status": 0}
    told = {"data": {"id": GLM, "endpoints": [{**usual, **one} for one in providers]}}
    return plain(200, json.dumps(told).encode(), "application/json")


@pytest.mark.parametrize(
    ("providers", "level", "words"),
    [
        ((), "error", "no provider serves z-ai/glm-5.3"),
        (({"status": -2}, {"uptime_last_30m": 3.5}), "warn", "may not answer: all 2 providers are in trouble"),
        (({"status": -1},), "warn", "its one provider is in trouble"),
        (({"supported_parameters": []}, {"status": -5}), "warn", "that is up takes tools"),
        (({"status": -1}, {"uptime_last_30m": 99.0}), "ok", "listed, with tools"),
    ],
)
async def test_a_model_whose_providers_are_down(
    sound: World, providers: tuple[dict[str, Any], ...], level: str, words: str
) -> None:
    sound.host.others[ENDPOINTS] = served_by(*providers)
    report = await examined(sound)
    worst = report.worst("models")
    assert (worst["level"], words in worst["text"]) == (level, True), worst
    assert report.code == (1 if level == "error" else 0)
    if level == "ok":
        assert "providers: 1 of 2 up" in worst["detail"]
    else:
        assert "claude-or models show z-ai/glm-5.3" in worst["fix"]


async def test_a_host_that_tells_no_providers_is_no_trouble(sound: World) -> None:
    sound.host.others[ENDPOINTS] = plain(200, b"<html>", "text/html")
    worst = (await examined(sound)).worst("models")
    assert worst["level"] == "ok"
    assert "providers: not known (the answer was no list of endpoints)" in worst["detail"]
    assert "window 203K, $0.60 in, $2.20 out per million tokens" in worst["detail"]


async def test_a_model_that_goes_away(sound: World) -> None:
    soon = datetime.fromtimestamp(time.time() + 5 * 86_400, UTC).date().isoformat()
    for entry in sound.host.models:
        if entry["id"] == GLM:
            entry["expiration_date"] = soon
    worst = (await examined(sound)).worst("models")
    assert (worst["level"], soon in worst["text"], GLM in worst["text"]) == ("warn", True, True), worst
    assert "successor" in worst["fix"]


async def test_a_key_without_credit(sound: World) -> None:
    data = {
        "label": "x",
        "limit": None,
        "is_free_tier": True,
        "free_model_daily_requests": {"limit": 50, "remaining": 3},
    }
    sound.host.others["/key"] = plain(200, json.dumps({"data": data}).encode(), "application/json")
    worst = (await examined(sound)).worst("key")
    assert (worst["level"], "no credits were ever bought" in worst["text"]) == ("warn", True)
    assert "3 of today's 50 free requests left" in worst["text"]
    assert "openrouter.ai/settings/credits" in worst["fix"]


async def test_a_server_that_dies_as_it_starts(sound: World) -> None:
    dying = ["sh", "-c", "echo 'no database at /srv/notes' >&2; exit 3"]
    configure(sound.home, notes={"type": "command", "command": dying})
    report = await examined(sound)
    worst = report.worst("mcp notes")
    assert worst["level"] == "error"
    said = " ".join(worst.values())
    assert "code 3" in said
    assert "no database at /srv/notes" in said
    assert "claude-or mcp test notes" in worst["fix"]
    assert report.code == 1


async def test_a_terminal_that_cannot_draw(sound: World) -> None:
    environ = sound.environ(TERM="dumb", LANG="C")
    async with Terminal([*CLAUDE_OR, "doctor"], env=environ, cwd=sound.project, columns=100, rows=50) as terminal:
        shown = await terminal.wait_for("TERM is dumb: Claude Code cannot draw its screens")
        assert await terminal.exit_code() == 0
    assert "export TERM=xterm-256color" in shown
    assert b"\x1b[" not in terminal.raw, "a dumb terminal shows control sequences as they are"


async def test_without_network_the_rest_is_still_told_at_once(sound: World) -> None:
    await examined(sound)  # keeps the list of models
    started = time.monotonic()
    report = await examined(sound, OPENROUTER_BASE_URL="https://openrouter.invalid/api/v1")
    assert time.monotonic() - started < 60
    assert {one["check"] for one in report.findings} >= {"claude", "key", "settings", "terminal", "disk", "leftovers"}
    assert [one["check"] for one in report.findings if one["level"] == "error"] == ["host"]
    assert "not checked" in report.worst("key")["text"]


async def test_a_server_whose_command_is_not_there(sound: World) -> None:
    configure(sound.home, notes={"type": "command", "command": ["no-such-program-here"]})
    worst = (await examined(sound)).worst("mcp notes")
    assert worst["level"] == "error"
    assert "no-such-program-here" in worst["text"]
    assert "claude-or mcp test notes" in worst["fix"]


async def test_settings_that_want_another_host(sound: World) -> None:
    folder = sound.project / ".claude"
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps({"env": {"ANTHROPIC_BASE_URL": "https://thief.invalid"}}))
    worst = (await examined(sound)).worst("settings")
    assert worst["level"] == "note"
    assert "env.ANTHROPIC_BASE_URL" in worst["text"]
    assert str(folder) in worst["text"]


async def test_folders_that_cannot_be_written(sound: World) -> None:
    (sound.home / ".local" / "state").mkdir(parents=True)
    (sound.home / LOGS).write_text("a file where a folder should be")
    report = await examined(sound)
    worst = report.worst("disk")
    assert (worst["level"], "logs" in worst["text"], "no log is written" in worst["text"]) == ("warn", True, True)
    (sound.home / ".local" / "share").mkdir(parents=True)
    (sound.home / ".local/share/claude-or").write_text("and here")
    report = await examined(sound)
    assert report.worst("disk")["level"] == "error"
    assert "ledger" in report.worst("disk")["text"]
    assert report.code == 1


async def test_a_clock_that_is_wrong(sound: World) -> None:
    with hosting() as host:
        host.now = time.time() - 3 * 86_400
        worst = (await examined(sound, OPENROUTER_BASE_URL=f"{host.url}")).worst("clock")
    assert worst["level"] == "warn"
    assert "3 days ahead of" in worst["text"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="whose process it is can only be told by /proc")
async def test_what_a_crashed_session_left_is_named_and_taken_away(sound: World) -> None:
    base = sound.runtime / "claude-or"
    base.mkdir(mode=0o700)
    dead = base / "session-999999-abcd"
    dead.mkdir(mode=0o700)
    (dead / "owner").write_text("999999 1\n")
    settings = sound.home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"model": "z-ai/glm-5.3[1m]", "theme": "dark"}))
    stray = await asyncio.create_subprocess_exec(
        "sleep", "300", env={"HOME": str(sound.home), "CLAUDE_OR_SERVER": "7", "PATH": os.environ["PATH"]}
    )
    try:
        report = await examined(sound)
        said = " ".join(one["text"] + one["detail"] for one in report.findings if one["check"] == "leftovers")
        for words in ("1 folder of sessions that crashed", str(stray.pid), "z-ai/glm-5.3"):
            assert words in said, report.out
        assert dead.exists()

        report = await examined(sound, "--clean")
        assert await asyncio.wait_for(stray.wait(), 20) == -9
    finally:
        if stray.returncode is None:
            stray.kill()
            await stray.wait()
    assert report.worst("leftovers")["level"] == "ok", report.out
    assert not dead.exists()
    assert json.loads(settings.read_text()) == {"theme": "dark"}


async def test_what_belongs_to_a_running_session_is_left_alone(sound: World) -> None:
    running = await sound.start(["wait", "GO"], CLAUDE_OR_CLAUDE=str(STAND_IN))
    await running.until_told()
    report = await examined(sound, "--clean")
    assert report.worst("leftovers")["level"] == "ok"
    running.let_go()
    assert (await running.done()).code == 0


async def test_on_a_terminal_it_lists_what_it_looks_at_and_offers_to_clean_up(sound: World) -> None:
    base = sound.runtime / "claude-or"
    base.mkdir(mode=0o700)
    dead = base / "session-999999-abcd"
    dead.mkdir(mode=0o700)
    (dead / "owner").write_text("999999 1\n")
    environ = sound.environ(TERM="xterm-256color")
    argv = [*CLAUDE_OR, "doctor"]
    async with Terminal(argv, env=environ, cwd=sound.project, columns=58, rows=40) as terminal:
        await terminal.wait_for("Take it away?")
        terminal.send("y\r")
        shown = await terminal.wait_for("58 columns are few")
        assert await terminal.exit_code() == 0
    assert "removed" in shown
    assert not dead.exists()
    assert b"leftovers" in terminal.raw


@pytest.mark.parametrize(
    ("said", "level", "words"),
    [
        ("{source: mcp, server: finder, tool: search}", "ok", "search of MCP server finder"),
        ("{source: mcp, server: finder, tool: look}", "error", "MCP server finder has no tool look"),
        ("{source: mcp, server: other, tool: search}", "error", "there is no server of this name"),
        ("{source: mcp, server: far, tool: search}", "error", "only those that claude-or starts can be asked"),
    ],
)
async def test_a_search_by_a_tool_that_is_not_there(sound: World, said: str, level: str, words: str) -> None:
    configure(sound.home, finder=(), far={"type": "http", "url": "http://127.0.0.1:9/mcp"})
    config = sound.home / ".config/claude-or/config.yaml"
    config.write_text(f"web_search: {said}\n", encoding="utf-8")
    worst = (await examined(sound)).worst("web search")
    assert (worst["level"], words in worst["text"]) == (level, True), worst
