"""One server started in a process of its own, asked three things and ended: initialize, tools/list, ping.

For `claude-or mcp test` and `doctor`. Never touches the servers of running sessions; everything the process started ends with it.
`remote` asks the same of servers that are elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, Protocol, cast

import msgspec

from claude_or import __version__
from claude_or.log import Redaction
from claude_or.mcp.guardian import MARK, marked
from claude_or.mcp.launch import McpLaunch

PROTOCOL: Final = "2025-11-25"
ANSWER_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of one answer."""
TAIL_LINES: Final = 8
STEP_LIMIT_S: Final = 15.0
LEAVE_LIMIT_S: Final = 2.0
PAGES: Final = 100
GONE: Final = "it ended without an answer"
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Probed:
    """What came of it. `step` is where it failed: start, initialize, tools/list or ping; empty when all went well."""

    name: str
    command: tuple[str, ...] = ()
    step: str = ""
    reason: str = ""
    exit_code: int | None = None
    stderr: list[str] = field(default_factory=list[str])
    server: str = ""
    version: str = ""
    protocol: str = ""
    tools: list[str] = field(default_factory=list[str])
    seconds: float = 0.0
    interpreter: str = ""
    needs_login: bool = False

    @property
    def works(self) -> bool:
        """Whether it answered everything."""
        return not self.step


class Failed(Exception):
    """A step that did not end well. Caught where a try ends."""


class Asking(Protocol):
    """How a server is spoken to."""

    async def tell(self, method: str) -> None:
        """Send a notification."""
        ...

    async def ask(self, method: str, params: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """Send a request and wait for its result. Raises `Failed`."""
        ...


async def probe(launch: McpLaunch) -> Probed:
    """Try the command lines in their order, as a session does; the first that answers counts. Never raises for the server."""
    redaction = Redaction(launch.secrets)
    found = Probed(launch.name)
    for command in launch.commands:
        found = Probed(launch.name, tuple(redaction.text(part) for part in command))
        started = perf_counter()
        await _try(launch, command, found)
        found.seconds = round(perf_counter() - started, 3)
        found.reason = redaction.text(found.reason)
        found.stderr = [redaction.text(line) for line in found.stderr]
        if found.works or found.step not in {"start", "initialize"} or found.exit_code is None:
            break
    return found


async def _try(launch: McpLaunch, command: tuple[str, ...], found: Probed) -> None:
    found.step = "start"
    mark = int.from_bytes(os.urandom(8))
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**launch.env, MARK: str(mark)},
            cwd=launch.cwd,
            start_new_session=True,
            limit=ANSWER_LIMIT,
        )
    except OSError as error:
        found.reason = f"{error.strerror}: {error.filename or command[0]}"
        return
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    listening = asyncio.create_task(_listen(process, tail))
    asking = _Asking(process, tail)
    try:
        await ask_all(asking, found, launch.start_timeout)
        found.step = ""
    except Failed as failure:
        found.reason = str(failure)
    except OSError:  # its input is closed
        found.reason = GONE
    except ValueError as error:  # a line beyond the limit
        found.reason = str(error)
    finally:
        if found.step:
            with suppress(TimeoutError):
                found.exit_code = await asyncio.wait_for(process.wait(), 0.5)
                await asyncio.wait_for(asking.hear_the_rest(), 0.5)
        await _end(process, mark)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        found.stderr = list(tail)


async def ask_all(asking: Asking, found: Probed, start_limit_s: float) -> None:
    """Ask the three things and note the answers in `found`; its `step` stays where it failed. Raises `Failed`."""
    found.step = "initialize"
    params = {
        "protocolVersion": PROTOCOL,
        "capabilities": {},
        "clientInfo": {"name": "claude-or", "version": __version__},
    }
    hello = await asking.ask("initialize", params, start_limit_s)
    about = hello.get("serverInfo") or {}
    found.server, found.version = str(about.get("name", "")), str(about.get("version", ""))
    found.protocol = str(hello.get("protocolVersion", ""))
    await asking.tell("notifications/initialized")
    if "tools" in (hello.get("capabilities") or {}):
        found.step = "tools/list"
        cursor: dict[str, Any] = {}
        for _ in range(PAGES):
            page = await asking.ask("tools/list", cursor, STEP_LIMIT_S)
            found.tools += [str(tool.get("name", "")) for tool in page.get("tools") or ()]
            if not page.get("nextCursor"):
                break
            cursor = {"cursor": page["nextCursor"]}
    found.step = "ping"
    await asking.ask("ping", {}, STEP_LIMIT_S)


class _Asking:
    """Requests to one process, one after the other. What it writes that is no message goes to `tail`."""

    def __init__(self, process: Process, tail: deque[str]) -> None:
        self._tail = tail
        self._into = cast("asyncio.StreamWriter", process.stdin)
        self._out = cast("asyncio.StreamReader", process.stdout)
        self._asked = 0

    async def tell(self, method: str) -> None:
        """Send a notification."""
        await self._send({"jsonrpc": "2.0", "method": method})

    async def ask(self, method: str, params: dict[str, Any], limit_s: float) -> dict[str, Any]:
        """Send a request and wait for its result. Raises `Failed`."""
        self._asked += 1
        await self._send({"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params})
        try:
            async with asyncio.timeout(limit_s):
                return await self._answer()
        except TimeoutError:
            raise Failed(f"no answer within {limit_s:g} s") from None

    async def hear_the_rest(self) -> None:
        """Read what a process that ended left behind: it may say why."""
        with suppress(OSError, ValueError):
            while line := await self._out.readline():
                self._message(line)

    def _message(self, line: bytes) -> dict[str, Any] | None:
        try:
            message = msgspec.json.decode(line.removeprefix(_BOM))
        except msgspec.DecodeError:
            if text := line.decode(errors="replace").strip():
                self._tail.append(f"stdout: {text[:400]}")
            return None
        return message if isinstance(message, dict) else None

    async def _answer(self) -> dict[str, Any]:
        while line := await self._out.readline():
            message = self._message(line)
            if message is None:
                continue
            if "method" in message:
                if "id" in message:  # it asks us; we can do nothing
                    error = {"code": -32601, "message": "Method not found"}
                    answer = {"result": {}} if message["method"] == "ping" else {"error": error}
                    await self._send({"jsonrpc": "2.0", "id": message["id"], **answer})
            elif (result := _result_in(message, self._asked)) is not None:
                return result
        raise Failed(GONE)

    async def _send(self, message: dict[str, Any]) -> None:
        self._into.write(msgspec.json.encode(message) + b"\n")
        await self._into.drain()


def result_of(raw: bytes, number: int) -> dict[str, Any] | None:
    """The result of request `number` if this message is its answer. Raises `Failed` for an error or what is no JSON."""
    try:
        message = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        raise Failed("what it answered is no JSON") from None
    return _result_in(message, number) if isinstance(message, dict) else None


def _result_in(message: dict[str, Any], number: int) -> dict[str, Any] | None:
    if str(message.get("id")) not in {str(number), f"{number}.0"} or "method" in message:
        return None
    if "error" in message:
        raise Failed(f"it answered with an error: {(message['error'] or {}).get('message', '')}"[:500])
    return message.get("result") or {}


async def _listen(process: Process, tail: deque[str]) -> None:
    stream = cast("asyncio.StreamReader", process.stderr)
    rest = b""
    while data := await stream.read(65_536):
        *lines, rest = (rest + data).split(b"\n")
        rest = rest[-4000:]
        tail.extend(line.decode(errors="replace").rstrip()[:400] for line in lines if line.strip())
    if rest.strip():
        tail.append(rest.decode(errors="replace").rstrip()[:400])


async def _end(process: Process, mark: int) -> None:
    """Close its input, wait a little, then end the whole group, also after a clean exit: it may have left children, and they the group."""
    if process.stdin is not None:
        process.stdin.close()
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), LEAVE_LIMIT_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        for stray in marked((mark,)):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(stray, number)
    await process.wait()
