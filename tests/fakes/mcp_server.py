#!/usr/bin/env python3
"""An MCP server on stdio for tests, with faults to order. Standard library only, so that it starts at once anywhere.

Tools: `echo {text}` · `add {name}` a tool more, announced · `progress {steps}` · `say_log` · `roots` `form` `sample` ask the client ·
`sleep {seconds}` silent · `die` by SIGKILL · `leave {code}` · `garbage` on stdout first · `big {bytes}` · `environ` · `pid` ·
`meet {count}` answers when so many are asked at once · `search {query}` finds two pages, `search_ask` asks the client first · `nan` gives what JSON cannot hold · `deaf` never answers · `cancelled` the ids that were cancelled · `seen` the methods that came.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

NAMES = ["echo", "add", "progress", "say_log", "roots", "form", "sample", "sleep", "die", "leave", "garbage", "big"]
MORE = ["environ", "pid", "deaf", "cancelled", "seen", "stop_reading", "nan", "meet", "search", "search_ask"]


class Server:
    """One run of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.extra: list[str] = Path(options.tools_file).read_text().split() if options.tools_file else []
        self.lock = threading.Lock()
        self.asked = 0
        self.answers: dict[str, Any] = {}
        self.arrived = threading.Condition()
        self.cancelled: list[Any] = []
        self.seen: list[str] = []
        self.guests = 0

    def write(self, message: dict[str, Any]) -> None:
        """One message."""
        if self.options.loose and "method" not in message and isinstance(message["id"], int):
            message = {**message, "id": {"text": str, "fraction": float}[self.options.loose](message["id"])}
        data = json.dumps({"jsonrpc": "2.0", **message}) + ("\r\n" if self.options.loose else "\n")
        if self.options.loose and self.seen == ["initialize"]:
            data = "\ufeff" + data
        with self.lock:
            sys.stdout.write(data)
            sys.stdout.flush()

    def ask(self, method: str, params: dict[str, Any] | None = None) -> Any:
        """Ask the client; its result or error."""
        with self.arrived:
            self.asked += 1
            number = f"question-{self.asked}"
        self.write({"id": number, "method": method, **({"params": params} if params else {})})
        with self.arrived:
            self.arrived.wait_for(lambda: number in self.answers, timeout=30)
            return self.answers[number]

    def tools(self) -> list[dict[str, Any]]:
        """The listing."""
        return [
            {"name": name, "description": f"does {name}", "inputSchema": {"type": "object", "properties": {}}}
            for name in [*NAMES, *MORE, *self.extra]
        ]

    def call(self, name: str, given: dict[str, Any], token: Any) -> Any:  # noqa: C901 - a table
        """One tool; what it gives as text."""
        match name:
            case "echo":
                return given.get("text", "")
            case "add":
                self.extra.append(given["name"])
                self.write({"method": "notifications/tools/list_changed"})
            case "progress":
                for step in range(given.get("steps", 3)):
                    params = {"progressToken": token, "progress": step + 1, "total": given.get("steps", 3)}
                    self.write({"method": "notifications/progress", "params": params})
            case "say_log":
                self.write({"method": "notifications/message", "params": {"level": "warning", "data": "hear, hear"}})
            case "roots":
                return json.dumps(self.ask("roots/list"))
            case "form":
                wanted = {"message": "Your name?", "requestedSchema": {"type": "object", "properties": {}}}
                return json.dumps(self.ask("elicitation/create", wanted))
            case "sample":
                text = {"role": "user", "content": {"type": "text", "text": "Say something."}}
                return json.dumps(self.ask("sampling/createMessage", {"messages": [text], "maxTokens": 10}))
            case "sleep":
                time.sleep(given.get("seconds", 1))
            case "die":
                os.kill(os.getpid(), signal.SIGKILL)
            case "leave":
                os._exit(given.get("code", 0))
            case "garbage":
                with self.lock:
                    sys.stdout.write("this is no message\n{'nor': this}\n\n")
            case "nan":
                return math.nan
            case "big":
                return "x" * given["bytes"]
            case "environ":
                return json.dumps(dict(os.environ))
            case "pid":
                return str(os.getpid())
            case "meet":
                return self.meet(given["count"])
            case "search" | "search_ask":
                if name == "search_ask":
                    self.ask("roots/list")
                pages = [("Stripes", "https://zebras.org/stripes"), ("Coats", "https://deep.horses.org/coats")]
                about = given.get("query", "")
                return "\n\n".join(f"Title: {title}\nDescription: {about}\nURL: {url}" for title, url in pages)
            case "deaf":
                time.sleep(3600)
            case "cancelled":
                return json.dumps(self.cancelled)
            case "seen":
                return json.dumps(self.seen)
            case _:
                return f"{name} was called"
        return "done"

    def meet(self, count: int) -> str:
        """Wait for so many calls to be here together."""
        with self.arrived:
            self.guests += 1
            self.arrived.notify_all()
            return "met" if self.arrived.wait_for(lambda: self.guests >= count, timeout=30) else "alone"

    def crowd(self) -> None:
        """Wait for so many servers that tell the same file to be up together."""
        while self.options.crowd and len(Path(self.options.tell).read_text().splitlines()) < self.options.crowd:
            time.sleep(0.05)

    def result(self, method: str, params: dict[str, Any]) -> Any:
        """What a request gives; None for a method that is not known."""
        match method:
            case "initialize":
                self.crowd()
                time.sleep(self.options.slow_start)
                about = {"name": "fake", "version": "1"}
                able = {"tools": {"listChanged": True}, "logging": {}, "resources": {"subscribe": True}}
                return {"protocolVersion": params["protocolVersion"], "capabilities": able, "serverInfo": about}
            case "tools/list" if self.options.page:
                start = int(params.get("cursor", "0"))
                page = {"tools": self.tools()[start : start + self.options.page]}
                following = start + self.options.page
                return {**page, "nextCursor": str(following)} if following < len(self.tools()) else page
            case "tools/list":
                return {"tools": self.tools()}
            case "tools/call":
                token = (params.get("_meta") or {}).get("progressToken")
                text = self.call(params["name"], params.get("arguments") or {}, token)
                return {"content": [{"type": "text", "text": text}]}
            case "ping" if self.options.no_ping:
                time.sleep(3600)
            case "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe":
                return {}
            case _:
                pass
        return None

    def answer(self, message: dict[str, Any]) -> None:
        """One request of the client."""
        params = message.get("params") or {}
        if message["method"] == "initialize" and self.options.refuse:
            error = {"code": -32022, "message": self.options.refuse}
            self.write({"id": message["id"], "error": error})
            return
        result = self.result(message["method"], params)
        if result is None:
            self.write({"id": message["id"], "error": {"code": -32601, "message": "unknown method"}})
        else:
            self.write({"id": message["id"], "result": result})

    def serve(self) -> None:
        """Read until the end of the input."""
        for line in sys.stdin:
            message = json.loads(line)
            self.seen.append(message.get("method", "answer"))
            if "method" not in message:
                with self.arrived:
                    self.answers[message["id"]] = message.get("result", {"error": message.get("error")})
                    self.arrived.notify_all()
            elif "id" in message:
                if (message.get("params") or {}).get("name") == "stop_reading":
                    time.sleep(3600)
                threading.Thread(target=self.answer, args=(message,), daemon=True).start()
            elif message["method"] == "notifications/cancelled":
                self.cancelled.append(message["params"]["requestId"])
        while self.options.ignore_eof:
            time.sleep(1)


def main() -> None:
    """Start as ordered."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--slow-start", type=float, default=0.0, help="seconds before initialize is answered")
    parser.add_argument(
        "--crowd", type=int, default=0, help="answer initialize when the file of --tell has so many lines"
    )
    parser.add_argument("--tools-file", help="names of further tools, read at start")
    parser.add_argument("--page", type=int, default=0, help="tools in one page of the listing")
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument("--ignore-eof", action="store_true")
    parser.add_argument("--fork", help="start a grandchild that ignores TERM, and write its pid here")
    parser.add_argument("--stray", action="store_true", help="the grandchild leaves the group")
    parser.add_argument("--stderr", help="said on stderr at start")
    parser.add_argument("--chatter", type=int, default=0, help="megabytes written to stderr at start")
    parser.add_argument("--leave", type=int, help="exit with this code at start")
    parser.add_argument("--leave-times", help="a file with a number: so many more starts leave at once")
    parser.add_argument("--refuse", help="refuse initialize with this text")
    parser.add_argument("--no-ping", action="store_true")
    parser.add_argument(
        "--loose", choices=["text", "fraction"], help="form of ids; with CRLF and a byte order mark, too"
    )
    parser.add_argument("--stdout", help="said on stdout at start")
    parser.add_argument("--tell", help="add a line with pid and arguments to this file at start")
    options = parser.parse_args()
    if options.tell:
        with open(options.tell, "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {' '.join(sys.argv[1:])}\n")
    if options.stderr:
        print(options.stderr, file=sys.stderr, flush=True)
    if options.stdout:
        print(options.stdout, flush=True)
    for _ in range(options.chatter):
        sys.stderr.write(f"{'chatter ' * 12}\n" * (1024 * 1024 // 97))
    if options.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if options.fork:
        code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
        grandchild = subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=options.stray)
        Path(options.fork).write_text(str(grandchild.pid))
    if options.leave is not None:
        raise SystemExit(options.leave)
    if options.leave_times:
        left = int(Path(options.leave_times).read_text())
        if left > 0:
            Path(options.leave_times).write_text(str(left - 1))
            raise SystemExit(3)
    Server(options).serve()
    os._exit(0)


if __name__ == "__main__":
    main()
