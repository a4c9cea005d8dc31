"""How much later than plain Claude Code does `claude-or` reach a model, and what do its light commands cost?

    uv run python -m tests.benchmarks.launch [--runs 9] [--claude PATH] [--json FILE]

One fake host on 127.0.0.1 answers both the Messages API (for plain `claude`) and chat completions (for `claude-or`). Runs
alternate, so that whatever else the machine does hits both alike; only the ratios of medians mean something.

* warm: bytecode and launch cache present
* first: no bytecode of ours and of the libraries in any run, as after an install that does not compile (the standard
  library's is there)
* light: `--help`, `--version`, `models` against an interpreter that does nothing
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

MODEL = "z-ai/glm-5.3"
LISTING = {"data": [{"id": MODEL, "name": "GLM", "context_length": 200_000, "supported_parameters": ["tools"]}]}


@dataclass
class Host:
    """Answers at once, and remembers when it was first asked for a completion."""

    port: int = 0
    first: float | None = None
    paths: list[str] = field(default_factory=list[str])

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        if request.method == "GET":
            return web.json_response(LISTING)
        self.paths.append(request.path)
        self.first = self.first or time.perf_counter()
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        body = _messages_stream() if request.path.endswith("/messages") else _chat_stream()
        await response.write(body)
        await response.write_eof()
        return response


def _messages_stream() -> bytes:
    usage = {"input_tokens": 10, "output_tokens": 1}
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL, "content": [], "usage": usage}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**start, "stop_reason": None, "stop_sequence": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def _chat_stream() -> bytes:
    head = {"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "provider": "Fake"}
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cost": 0.0001}
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}], "usage": usage},
    ]
    return b"".join(f"data: {json.dumps(c)}\n\n".encode() for c in chunks) + b"data: [DONE]\n\n"


@contextlib.contextmanager
def home() -> Generator[Path]:
    """A throwaway home."""
    folder = Path(tempfile.mkdtemp(prefix="claude-or-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scrubbed(folder: Path, host: Host, claude: str) -> dict[str, str]:
    """The environment of both launchers; each reads its own half of it."""
    base = f"http://127.0.0.1:{host.port}"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "IS_SANDBOX": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "ANTHROPIC_BASE_URL": base,
        "ANTHROPIC_AUTH_TOKEN": "dummy",
        "ANTHROPIC_MODEL": MODEL,
        "OPENROUTER_BASE_URL": base + "/api/v1",
        "OPENROUTER_API_KEY": "sk-or-v1-benchmark",
        "BIG_MODEL": MODEL,
        "SMALL_MODEL": MODEL,
        "CLAUDE_OR_CLAUDE": claude,
    }


async def launch(host: Host, argv: list[str], env: dict[str, str], cwd: Path) -> tuple[float, float]:
    """One start: seconds to the first request upstream, and to the exit."""
    host.first = None
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    ended = time.perf_counter()
    if process.returncode != 0 or host.first is None:
        raise SystemExit(f"{argv[0]} failed ({process.returncode}): {out.decode()} {err.decode()}")
    return host.first - started, ended - started


async def alternate(host: Host, claude: str, runs: int, *, cold: bool) -> dict[str, list[tuple[float, float]]]:
    """Plain and wrapped starts in turn, one unmeasured pair first."""
    seen: dict[str, list[tuple[float, float]]] = {"plain": [], "claude-or": []}
    wrapper = str(Path(sys.executable).with_name("claude-or"))
    with home() as folder:
        env = scrubbed(folder, host, claude)
        if cold:
            await compile_standard_library(host, [wrapper, "-p", "hi"], env, folder)
        for turn in range(runs + 1):
            for name, argv in (("plain", [claude]), ("claude-or", [wrapper])):
                with home() as bytecode:
                    if cold:
                        shutil.copytree(folder / "bytecode", bytecode, dirs_exist_ok=True)
                    extra = {"PYTHONPYCACHEPREFIX": str(bytecode)} if cold else {}
                    times = await launch(host, [*argv, "-p", "hi"], {**env, **extra}, folder)
                if turn:
                    seen[name].append(times)
    return seen


async def compile_standard_library(host: Host, argv: list[str], env: dict[str, str], folder: Path) -> None:
    """Leave in `folder/bytecode` what a start compiles, less the installed packages and the project."""
    bytecode = folder / "bytecode"
    await launch(host, argv, {**env, "PYTHONPYCACHEPREFIX": str(bytecode)}, folder)
    project = bytecode / Path(__file__).resolve().parents[2].relative_to("/")
    shutil.rmtree(project, ignore_errors=True)
    for packages in bytecode.rglob("site-packages"):
        shutil.rmtree(packages, ignore_errors=True)


async def light(host: Host, claude: str, runs: int) -> dict[str, list[float]]:
    """Wall time of the commands that start no session, beside an interpreter that does nothing."""
    wrapper = str(Path(sys.executable).with_name("claude-or"))
    commands = {
        "interpreter": [sys.executable, "-c", "pass"],
        "--version": [wrapper, "--version"],
        "--help": [wrapper, "--help"],
        "models --json": [wrapper, "models", "--json"],
    }
    seen: dict[str, list[float]] = {name: [] for name in commands}
    with home() as folder:
        env = scrubbed(folder, host, claude)
        for turn in range(runs + 1):
            for name, argv in commands.items():
                started = time.perf_counter()
                process = await asyncio.create_subprocess_exec(
                    *argv, env=env, cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
                )
                await asyncio.wait_for(process.wait(), 60)
                if turn:
                    seen[name].append(time.perf_counter() - started)
    return seen


def report(title: str, seen: dict[str, list[tuple[float, float]]]) -> dict[str, float]:
    """Print medians and ratios of one set of starts."""
    plain_first, plain_exit = (statistics.median(t[i] for t in seen["plain"]) for i in (0, 1))
    ours_first, ours_exit = (statistics.median(t[i] for t in seen["claude-or"]) for i in (0, 1))
    print(
        f"{title}: first request {plain_first:.3f} s plain, {ours_first:.3f} s claude-or: {ours_first / plain_first:.2f} x"
    )
    print(
        f"{title}: exit          {plain_exit:.3f} s plain, {ours_exit:.3f} s claude-or: {ours_exit / plain_exit:.2f} x"
    )
    return {"first_request": ours_first / plain_first, "exit": ours_exit / plain_exit}


async def main() -> None:
    """Run all three sets and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--claude", default=os.environ.get("CLAUDE_OR_TEST_CLAUDE") or shutil.which("claude"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.claude:
        raise SystemExit("claude was not found: put it on PATH, or name it with --claude or CLAUDE_OR_TEST_CLAUDE")
    host = Host()
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{tail:.*}", host.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host.port = runner.addresses[0][1]
    try:
        results: dict[str, Any] = {
            "warm": report("warm ", await alternate(host, options.claude, options.runs, cold=False)),
            "first": report("first", await alternate(host, options.claude, max(3, options.runs // 2), cold=True)),
        }
        medians = {
            name: statistics.median(times) for name, times in (await light(host, options.claude, options.runs)).items()
        }
        for name, seconds in medians.items():
            print(f"light: {name:14} {seconds * 1000:6.0f} ms: {seconds / medians['interpreter']:.1f} x interpreter")
        results["light"] = {name: seconds / medians["interpreter"] for name, seconds in medians.items()}
    finally:
        await runner.cleanup()
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
