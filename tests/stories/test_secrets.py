"""A canary in every place where a secret may be; afterwards every byte that anybody can read is searched for them.

Planted: the key of the host, the host's own errors that quote it, a secret of an MCP server, a prompt and an answer. Found in the
child: the token of the session. Searched: stdout, stderr, every file that was written, command lines and environments of all our
processes, what `status`, `doctor` and crashes tell.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import aiohttp
import msgspec
import pytest

from tests.fakes.record import Ask
from tests.fakes.replies import Scripted, comment, end, error, html, plain, raw, reset, stream_error, text
from tests.mcp.relayed import fake_command
from tests.proxy.gateway import prompt
from tests.stories.conftest import World, until
from tests.support.mcp import configure, started

KEY = "sk-or-v1-canary-9f3b6c1d77aa4e0c8b5d2f61e4a7c9d0"
BARE_KEY = "canary-without-a-known-form-5d2f61e4a7c9d0"
ANSWER = "canary-of-an-answer-77aa4e0c"
PROMPT = "canary-of-a-prompt-b5d2f61e"
ROOT = str(Path(__file__).parents[2])


def hits(secret: str, data: bytes) -> list[str]:
    """The forms in which a secret stands in some bytes: as it is, half of it, quoted, in hex."""
    forms = {
        "whole": secret.encode(),
        "half": secret.encode()[len(secret) // 2 :],
        "quoted": quote(secret, safe="").encode(),
        "hex": secret.encode().hex().encode(),
    }
    return [name for name, form in forms.items() if form in data]


def family(root: int) -> list[int]:
    """A process and everything below it."""
    found = [root]
    for pid in found:
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in path.read_text(encoding="ascii").split()]
    return found


def written(world: World) -> dict[Path, bytes]:
    """Every file that a session left, or holds, except what the test itself wrote."""
    places = (world.home, world.project, world.runtime)
    return {path: path.read_bytes() for place in places for path in place.rglob("*") if path.is_file()}


def logs(world: World) -> list[Path]:
    """Log files and crash reports."""
    return [path for path in (world.home / ".local" / "state" / "claude-or").rglob("*") if path.is_file()]


ECHOES: dict[str, Callable[[str], Scripted]] = {
    "400": lambda key: error(400, f"key {key} is not for this"),
    "401": lambda key: error(401, f"No such key: {key}"),
    "402": lambda key: error(402, f"{key} has no credits"),
    "403": lambda key: error(403, f"{key} may not", metadata={"reasons": [f"Bearer {key}"]}),
    "404": lambda key: error(404, f"no model for {key}"),
    "429": lambda key: error(429, f"{key} too often", metadata={"raw": f'{{"key": "{key}"}}', "provider_name": "Acme"}),
    "500": lambda key: error(500, f"crash near authorization: Bearer {key}"),
    "a page": lambda key: html(502, f"<html><body><h1>Bad gateway</h1>{key}</body></html>"),
    "a broken page": lambda key: plain(200, f"<p>{key}".encode(), "text/html"),
    "a header": lambda key: error(500, "no", headers={"X-Debug": key, "Location": f"http://127.0.0.1/{key}"}),
    "an error in the stream": lambda key: [text("half"), stream_error(502, f"Bearer {key} went wrong")],
    "an event that is none": lambda key: [text("half"), raw(f'data: {{"key": "{key}\n\n'), end()],
    "a comment": lambda key: [*comment(2, f"debug {key}"), text("fine")],
}


@pytest.mark.parametrize("key", ["known", "unknown"])
async def test_whatever_a_host_quotes_the_key_in_nobody_reads_it(world: World, key: str) -> None:
    key = KEY if key == "known" else BARE_KEY
    replies = [make(key) for make in ECHOES.values()]
    asked = 0

    def brain(_ask: Ask, _n: int) -> Scripted:
        return replies[asked]

    world.host.script(brain)
    running = await world.start(
        ["wait", "GO"],
        args=("--log-level", "debug", "-p", "hi"),
        OPENROUTER_API_KEY=key,
        FAKE_CLAUDE_PROMPT=PROMPT,
    )
    told = (await running.until_told())["environment"]
    headers = {"authorization": f"Bearer {told['ANTHROPIC_AUTH_TOKEN']}"}
    async with aiohttp.ClientSession(trust_env=False) as client:
        for asked in range(len(replies)):
            for stream in (True, False):
                body = prompt(PROMPT, stream=stream)
                url = told["ANTHROPIC_BASE_URL"] + "/v1/messages"
                async with client.post(url, json=body, headers=headers) as response:
                    heads = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
                    said = await response.read()
                assert hits(key, heads.encode()) == hits(key, said) == [], list(ECHOES)[asked]
    running.let_go()
    done = await running.done()
    assert done.code == 0
    assert logs(world)
    for data in (done.out.encode(), done.err.encode(), *written(world).values()):
        assert hits(key, data) == []
        assert PROMPT.encode() not in data


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_the_secret_of_an_mcp_server_is_in_its_environment_alone(world: World) -> None:
    secret, told_at = "canary-of-an-mcp-server-61e4a7c9d0", world.folder / "servers"
    entry = {
        "type": "command",
        "command": list(fake_command("--tell", str(told_at))),
        "environment": {"SERVICE_TOKEN": secret},
    }
    configure(world.home, one=entry)
    running = await world.start(
        ["stream"],
        ["tell", str(world.folder / "mid")],
        ["wait", "GO"],
        args=("--log-level", "debug", "-p", "hi"),
    )
    await running.until_told()
    await until((world.folder / "mid").exists, "the turn did not end")
    await until(lambda: started(told_at), "the server was not started")
    (server,) = started(told_at)
    assert hits(secret, Path(f"/proc/{server}/environ").read_bytes())
    assert hits(KEY, Path(f"/proc/{server}/environ").read_bytes()) == []
    for pid in family(running.process.pid):
        assert hits(secret, Path(f"/proc/{pid}/cmdline").read_bytes()) == [], pid
    running.let_go()
    done = await running.done()
    assert done.code == 0
    for data in (done.out.encode(), done.err.encode()):
        assert hits(secret, data) == []
    for path, data in written(world).items():
        if hits(secret, data):
            # What stands in clear in the user's own file may be kept by the launch, for the user alone.
            assert path.name == "mcp_servers.yaml" or path.name.startswith("launch-"), path
            assert path.name == "mcp_servers.yaml" or stat.S_IMODE(path.stat().st_mode) == 0o600


CRASH = """
import os
import claude_or.proxy.app as app

async def answer_messages(request, house, request_id):
    raise {error}("a bug near " + os.environ.get("OPENROUTER_API_KEY", "") + request.headers["authorization"])

app.answer_messages = answer_messages
"""


@pytest.mark.parametrize("error_type", ["ZeroDivisionError", "MemoryError"])
async def test_a_crash_in_a_request_that_quotes_the_key_tells_it_to_nobody(world: World, error_type: str) -> None:
    broken = world.folder / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text(CRASH.format(error=error_type), encoding="utf-8")
    running = await world.start(
        ["ask"],
        args=("--log-level", "debug", "-p", "hi"),
        OPENROUTER_API_KEY=KEY,
        PYTHONPATH=f"{broken}:{ROOT}",
    )
    token = (await running.until_told())["environment"]["ANTHROPIC_AUTH_TOKEN"]
    done = await running.done()
    assert done.code != 0
    everything = [done.out.encode(), done.err.encode(), *written(world).values()]
    assert any(b"a bug near" in data for data in everything), "the crash left no trace"
    for data in everything:
        assert hits(KEY, data) == hits(token, data) == []


def echoing(key: str) -> list[Scripted]:
    """What a careless host says, and what a careful one says."""
    detail = {"message": f"bad credential Bearer {key}", "metadata": {"raw": f'{{"authorization": "Bearer {key}"}}'}}
    return [error(502, f"upstream refused key {key}", metadata=detail), [text("half"), reset()], text(ANSWER)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("key", [KEY, BARE_KEY], ids=["known form", "unknown form"])
async def test_at_debug_level_no_secret_is_anywhere_but_where_it_belongs(world: World, key: str) -> None:
    replies = echoing(key)

    def brain(_ask: Ask, n: int) -> Scripted:
        return replies[n % len(replies)]

    world.host.script(brain)
    running = await world.start(
        ["stream"],
        ["stream"],
        ["tell", str(world.folder / "mid")],
        ["wait", "GO"],
        args=("--log-level", "debug", "-p", "hi"),
        OPENROUTER_API_KEY=key,
    )
    told = await running.until_told()
    token = told["environment"]["ANTHROPIC_AUTH_TOKEN"]
    await until((world.folder / "mid").exists, "the turns did not end")

    processes = family(running.process.pid)
    assert told["pid"] in processes
    assert len(processes) >= 2
    for pid in processes:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert hits(key, command) == hits(token, command) == []
        if pid != running.process.pid:
            # The parent was started with the key in its environment, by the test.
            assert hits(key, Path(f"/proc/{pid}/environ").read_bytes()) == [], pid
    listing = subprocess.run(["ps", "-ef", "ww"], capture_output=True, check=True).stdout
    assert hits(key, listing) == hits(token, listing) == []

    running.let_go()
    done = await running.done()
    assert done.code == 0
    assert len(world.host.asks) >= 3
    for data in (done.out.encode(), done.err.encode(), *written(world).values()):
        assert hits(key, data) == hits(token, data) == []
    assert logs(world)
    for path in logs(world):
        assert ANSWER.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_while_a_session_runs_its_token_is_in_files_of_the_users_alone(world: World) -> None:
    running = await world.start(["wait", "GO"])
    told = await running.until_told()
    token = told["environment"]["ANTHROPIC_AUTH_TOKEN"].encode()
    holders = [path for path, data in written(world).items() if token in data]
    for path in holders:
        assert path.is_relative_to(world.runtime), path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    running.let_go()
    await running.done()


@pytest.mark.parametrize("key", [KEY, BARE_KEY], ids=["known form", "unknown form"])
@pytest.mark.parametrize("debug", ["", "1"], ids=["report", "on the terminal"])
async def test_a_crash_that_quotes_the_key_tells_it_to_nobody(world: World, key: str, debug: str) -> None:
    broken = world.folder / "broken"
    broken.mkdir()
    crash = "import os\nraise RuntimeError('a bug near ' + os.environ['OPENROUTER_API_KEY'])\n"
    (broken / "aiohttp.py").write_text(crash, encoding="utf-8")
    running = await world.start(
        ["wait", "GO"],
        args=("--log-level", "debug", "-p", "hi"),
        OPENROUTER_API_KEY=key,
        PYTHONPATH=f"{broken}:{ROOT}",
        CLAUDE_OR_DEBUG=debug,
    )
    done = await running.done()
    assert done.code not in {0, None}
    everything = [done.out.encode(), done.err.encode(), *written(world).values()]
    assert any(b"a bug near" in data for data in everything), "the crash left no trace"
    for data in everything:
        assert hits(key, data) == []
    for path in logs(world):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if not debug:
        assert "Traceback" not in done.err


OURS: tuple[tuple[str, ...], ...] = (
    ("doctor", "-v"),
    ("doctor", "--json"),
    ("--dry-run",),
    ("models",),
    ("models", "show", "z-ai/glm-5.3"),
    ("config", "show"),
    ("config", "show", "--json"),
    ("config", "check"),
    ("usage",),
    ("usage", "--by", "model", "--json"),
    ("usage", "--csv"),
    ("budget",),
    ("logs",),
    ("mcp", "list"),
    ("mcp", "status"),
    ("mcp", "test"),
    ("explain", "request.json"),
    ("explain", "request.json", "--json"),
)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("key", [KEY, BARE_KEY], ids=["known form", "unknown form"])
async def test_no_command_of_ours_shows_the_key(world: World, key: str) -> None:
    """After a session at debug level that wrote prompts down, with a host that quotes the key and a server with a secret."""
    secret, summary = "canary-of-an-mcp-server-61e4a7c9d0", world.project / "summary.json"
    environment = {"SERVICE_TOKEN": "${A_SECRET_OF_MINE}"}
    configure(world.home, one={"type": "command", "command": list(fake_command()), "environment": environment})
    (world.project / "request.json").write_bytes(msgspec.json.encode(prompt(f"my key is {key}")))
    replies = echoing(key)
    world.host.script(lambda _ask, n: replies[n % len(replies)])
    done = await world.run(
        ["stream"],
        ["stream"],
        args=("--log-content", "--log-level", "debug", "--summary-json", str(summary), "-p", "hi"),
        OPENROUTER_API_KEY=key,
        A_SECRET_OF_MINE=secret,
        FAKE_CLAUDE_PROMPT=f"my key is {key}",
    )
    assert done.code == 0
    assert summary.exists()
    assert hits(key, done.out.encode()) == hits(key, done.err.encode()) == []
    for args in OURS:
        done = await world.run(args=args, OPENROUTER_API_KEY=key, A_SECRET_OF_MINE=secret)
        assert done.out + done.err, args
        assert "internal error" not in done.err, args
        data = (done.out + done.err).encode()
        assert hits(secret, data) == [], args
        # Of a file of the user's it shows what is in it.
        assert hits(key, data) == [] or args[0] == "explain", args
    (world.project / "request.json").unlink()
    for path, data in written(world).items():
        assert hits(key, data) == [], path
        assert hits(secret, data) == [], path
    assert any(b"[masked]" in path.read_bytes() for path in logs(world)), "nothing was to be masked"


async def test_doctor_and_dry_run_show_that_there_is_a_key_and_not_which(world: World) -> None:
    for args in (("doctor",), ("--dry-run",), ("models",), ("doctor", "--json")):
        done = await world.run(args=args, OPENROUTER_API_KEY=KEY)
        assert done.out + done.err
        assert hits(KEY, (done.out + done.err).encode()) == []
    for data in written(world).values():
        assert hits(KEY, data) == []
    assert os.environ.get("OPENROUTER_API_KEY", "") != KEY
