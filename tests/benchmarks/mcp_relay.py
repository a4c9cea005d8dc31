"""What does the relay add to a call of a tool, and how long do six servers keep a session from its first request?

    uv run python -m tests.benchmarks.mcp_relay [--calls 400] [--runs 5] [--real] [--claude PATH]

* call: an echo over the server's own pipes, and through the relay with one kept connection, in turn
* start: Claude Code starting six servers itself against claude-or starting them, up to the first request to the model, in turn;
  `--real` takes six published servers (three on Python, three on Node) instead of six fakes that need half a second each
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.benchmarks.launch import Host, home, launch, scrubbed
from tests.mcp.relayed import called, fake_command, initialize, note, relayed
from tests.support.mcp import configure
from tests.support.real_servers import install_servers


async def calls(count: int) -> dict[str, list[float]]:
    """Milliseconds of each call."""
    seen: dict[str, list[float]] = {"direct": [], "relay": []}
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(fake_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert server.stdin
        assert server.stdout

        def direct(message: dict[str, Any]) -> bytes:
            assert server.stdin
            assert server.stdout
            server.stdin.write(json.dumps(message).encode() + b"\n")
            server.stdin.flush()
            return server.stdout.readline() if "id" in message else b""

        direct(initialize())
        direct(note("notifications/initialized"))
        async with relayed(Path(folder)) as there:
            sid = await there.session()
            for _ in range(count):
                began = time.perf_counter()
                direct(called("echo", text="x" * 200))
                between = time.perf_counter()
                await there.call(sid, "echo", text="x" * 200)
                seen["relay"].append((time.perf_counter() - between) * 1000)
                seen["direct"].append((between - began) * 1000)
        server.stdin.close()
        server.wait()
        server.stdout.close()
    return seen


def six(folder: Path, *, real: bool) -> dict[str, list[str]]:
    """Six command lines by name."""
    if not real:
        return {f"s{number}": list(fake_command("--slow-start", "0.5")) for number in range(6)}
    paths = install_servers()
    return {name: [path, str(folder)] if name == "filesystem" else [path] for name, path in paths.items()}


async def starts(claude: str, runs: int, *, real: bool) -> dict[str, list[float]]:
    """Seconds to the first request to the model."""
    host = Host()
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{tail:.*}", host.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host.port = runner.addresses[0][1]
    seen: dict[str, list[float]] = {"claude": [], "claude-or": []}
    with home() as folder:
        env = scrubbed(folder, host, claude)
        commands = six(folder, real=real)
        configure(folder, **{name: {"type": "command", "command": command} for name, command in commands.items()})
        own = folder / "own.json"
        entries = {name: {"type": "stdio", "command": c[0], "args": c[1:]} for name, c in commands.items()}
        own.write_text(json.dumps({"mcpServers": entries}))
        wrapper = str(Path(sys.executable).with_name("claude-or"))
        for turn in range(runs + 1):
            for name, argv in (("claude", [claude, f"--mcp-config={own}"]), ("claude-or", [wrapper])):
                first, _ = await launch(host, [*argv, "-p", "hi"], env, folder)
                if turn:
                    seen[name].append(first)
    await runner.cleanup()
    return seen


async def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--claude", default=os.environ.get("CLAUDE_OR_TEST_CLAUDE") or shutil.which("claude"))
    options = parser.parse_args()
    for name, took in (await calls(options.calls)).items():
        low, middle, high = min(took), statistics.median(took), statistics.quantiles(took, n=20)[-1]
        print(f"call:  {name:10} min {low:6.2f}  p50 {middle:6.2f}  p95 {high:6.2f} ms")
    if not options.claude:
        raise SystemExit("claude was not found: put it on PATH, or name it with --claude or CLAUDE_OR_TEST_CLAUDE")
    for name, took in (await starts(options.claude, options.runs, real=options.real)).items():
        print(f"start: {name:10} median {statistics.median(took):6.2f}  ({min(took):.2f} to {max(took):.2f}) s")


if __name__ == "__main__":
    asyncio.run(main())
