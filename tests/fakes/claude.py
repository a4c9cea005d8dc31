#!/usr/bin/env python3
"""A stand-in for Claude Code in story tests: does what the variable FAKE_CLAUDE says, a list of steps in JSON.

Steps: `["ask"]` one non-streaming turn, its text on stdout · `["stream"]` one streamed turn, its text on stdout · `["tell", PATH]`
write pid, arguments, environment and the settings file as JSON · `["wait", PATH]` until PATH exists · `["exit", CODE]` ·
`["die", SIGNAL]` · `["ignore", SIGNAL, …]` · `["grandchild", PATH]` start a sleeper and write its pid · `["say", TEXT]` ·
`["raw"]` put the terminal into raw mode · `["echo stdin"]`. FAKE_CLAUDE_PROMPT is what it asks, FAKE_CLAUDE_LIMIT how long it waits.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

LIMIT = float(os.environ.get("FAKE_CLAUDE_LIMIT", "60"))


def post(*, stream: bool) -> str:
    """Ask the proxy as Claude Code would; the text of the answer."""
    body = {
        "model": os.environ["ANTHROPIC_MODEL"],
        "max_tokens": 1000,
        "stream": stream,
        "messages": [{"role": "user", "content": os.environ.get("FAKE_CLAUDE_PROMPT", "hello")}],
    }
    request = urllib.request.Request(
        os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages?beta=true",
        data=json.dumps(body).encode(),
        headers={
            "content-type": "application/json",
            "authorization": f"Bearer {os.environ['ANTHROPIC_AUTH_TOKEN']}",
            "x-claude-code-session-id": "5e551017-0000-4000-8000-000000000000",
        },
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=LIMIT) as response:
        raw = response.read().decode()
    if not stream:
        return "".join(block.get("text", "") for block in json.loads(raw)["content"])
    data = [json.loads(line[6:]) for line in raw.split("\n") if line.startswith("data: ")]
    return "".join(event["delta"].get("text", "") for event in data if event["type"] == "content_block_delta")


def tell(path: str) -> None:
    """Write what this process got."""
    arguments = sys.argv[1:]
    settings = arguments[arguments.index("--settings") + 1] if "--settings" in arguments else None
    told = {
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "arguments": arguments,
        "environment": dict(os.environ),
        "settings": json.loads(Path(settings).read_text(encoding="utf-8")) if settings else None,
        "settings_path": settings,
    }
    Path(path + ".part").write_text(json.dumps(told), encoding="utf-8")
    os.replace(path + ".part", path)


def wait_for(path: str) -> None:
    """Wait until a file exists, at most `LIMIT` seconds."""
    deadline = time.monotonic() + LIMIT
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise SystemExit(99)
        time.sleep(0.01)


def do(step: list[Any]) -> None:  # noqa: C901 - a table of steps
    """One step."""
    match step:
        case ["ask"]:
            print(post(stream=False), flush=True)
        case ["stream"]:
            print(post(stream=True), flush=True)
        case ["tell", path]:
            tell(path)
        case ["wait", path]:
            wait_for(path)
        case ["exit", code]:
            raise SystemExit(code)
        case ["die", number]:
            signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
            os.kill(os.getpid(), number)
        case ["ignore", *numbers]:
            for number in numbers:
                signal.signal(number, signal.SIG_IGN)
        case ["grandchild", path]:
            sleeper = subprocess.Popen(["sleep", "300"], start_new_session=True)
            Path(path).write_text(str(sleeper.pid), encoding="ascii")
        case ["say", text]:
            print(text, flush=True)
        case ["raw"]:
            import tty

            tty.setraw(0)
            os.write(1, b"\x1b[?1049h\x1b[?25l")
        case ["echo stdin"]:
            print(sys.stdin.read(), end="", flush=True)
        case _:
            raise SystemExit(f"unknown step {step}")


def main() -> None:
    """Do all steps."""
    if sys.argv[1:] == ["--version"]:
        print("2.1.330 (Claude Code)")
        return
    for step in json.loads(os.environ.get("FAKE_CLAUDE", '[["ask"]]')):
        do(step)


if __name__ == "__main__":
    main()
