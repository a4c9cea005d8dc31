"""One supervised server: a task of its own starts it, watches it, starts it again, gives up, and ends it.

The task is stopped by an event, never by cancelling, so that whatever happens it is what ends the process group. Restarts have a
growing delay and a limit; a command that fails before the server was ready is followed by the next one of the list
(an offline start first, then the one that may download).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, Literal

from claude_or.log import get_log
from claude_or.mcp.backoff import Restarts
from claude_or.mcp.child import GRACE, Child
from claude_or.mcp.health import Get, get_status, pinged, probed
from claude_or.mcp.journal import Journal
from claude_or.mcp.launch import McpLaunch
from claude_or.mcp.link import Link
from claude_or.mcp.spawn import Born, spawn_again

State = Literal["pending", "starting", "up", "degraded", "backoff", "failed", "stopped"]
LOOK: Final = 0.02
RESTART_LIMIT: Final = 8.0
"""Seconds after which a restart on request is told as it stands; who asked for it waits ten."""
CRASH_SWEEP: Final = 0.25
"""Seconds per step that what is left of a crashed or hanging server gets; the next life waits for it."""
NO_PROGRAM: Final = (126, 127)
"""Exit codes of a launcher that found no program: trying again cannot help."""
PATIENT_STARTS: Final = 3
"""Starts that may fail until a client that waits is told. The attempts go on, but `claude` would wait for all of them."""
SHOWN_LINES: Final = 5
"""Lines of what it said last in an error that the model sees."""

_log = get_log("mcp")


def _unguarded(line: str) -> None:
    del line


class McpServer:
    """One server of a session. `guard` writes a line to the guardian, `born` is the process that the launch started already."""

    def __init__(
        self,
        launch: McpLaunch,
        log_path: str,
        *,
        born: Born | None = None,
        guard: Callable[[str], None] = _unguarded,
        get: Get = get_status,
    ) -> None:
        self.launch = launch
        self.name = launch.name
        self.journal = Journal(log_path, launch.secrets)
        self.link = Link(
            launch,
            why=self.why,
            dead=lambda: self._state in {"failed", "stopped"},
            wanted=self._wanted,
            stray=self.journal.stray,
        )
        self.restarts = Restarts(launch.max_restarts, launch.restart_window)
        self.last_error = ""
        self.child: Child | None = None
        self._born = born
        self._guard = guard
        self._get = get
        self._state: State = "pending"
        self._unhealthy = ""
        self._was_ready = False
        self._vain = 0
        """Starts so far without any that worked."""
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._asked_for = False
        self._owner: asyncio.Task[None] | None = None

    @property
    def state(self) -> State:
        """Where it stands; `up` means that it answered `initialize`."""
        if self._state == "starting" and self.link.ready.is_set():
            return "degraded" if self._unhealthy else "up"
        return self._state

    def start(self) -> None:
        """Begin; returns at once."""
        self._owner = asyncio.get_running_loop().create_task(self._own())

    async def stop(self) -> None:
        """End the process and its group; at most some five seconds."""
        self._stopping.set()
        if self._owner is not None:
            await asyncio.wait({self._owner})
        elif self._born is not None:
            child = Child(self._born, self.journal)
            child.kill()
        self.journal.close()

    def kill(self) -> None:
        """End the whole group at once, when time is up."""
        if self.child is not None:
            self.child.kill()

    async def restart(self) -> None:
        """Start it anew because somebody asked; returns when it is ready, failed, or takes its time."""
        before = self.child
        self._asked_for = True
        self._woken.set()
        self._revive()
        deadline = time.monotonic() + RESTART_LIMIT
        # Several changes in a row, seen from outside of the task that makes them: looking is simpler than events for each.
        while time.monotonic() < deadline and not self._stopping.is_set():
            await asyncio.sleep(LOOK)
            if self._asked_for or self._woken.is_set():
                continue
            if self.state in {"up", "degraded", "backoff", "failed"}:
                return
            if self.child not in {None, before} and not self.link.introduced:
                return

    def why(self) -> str:
        """Why it does not answer, with what it said last; fit for the model's eyes."""
        parts = [f"MCP server {self.name} is {self.state}"]
        reason = self.link.refused or self.last_error or self._unhealthy
        if reason:
            parts.append(f": {reason}")
        last = self.journal.last(SHOWN_LINES)
        if last:
            parts.append(". Its last lines:\n" + "\n".join(last))
        return self.journal.masked("".join(parts))

    def told(self) -> dict[str, Any]:
        """As `/control/mcp` tells it."""
        child = self.child
        return {
            "name": self.name,
            "state": self.state,
            "pid": child.pid if child else None,
            "uptime_s": round(time.monotonic() - child.started, 3) if child else None,
            "restarts": self.restarts.total,
            "last_error": self.journal.masked(self.link.refused or self._unhealthy or self.last_error),
            "tools": self.link.tools.count,
            "log": self.journal.path,
        }

    def _wanted(self) -> None:
        """A client initialises although we gave up: one more attempt."""
        if self._state == "failed" and not self._woken.is_set():
            self.restarts.last_attempt(time.monotonic())
            self._woken.set()
            self._revive()

    def _revive(self) -> None:
        """After a bug ended the owner, who asks for the server gets a new one."""
        if self._owner is not None and self._owner.done() and not self._stopping.is_set():
            self._woken.clear()
            self._asked_for = False
            self.start()

    def _set(self, state: State) -> None:
        if state != self._state:
            _log.info("an MCP server changed its state", server=self.name, state=state, reason=self.last_error)
            self._state = state

    async def _own(self) -> None:
        try:
            await self._supervise()
        except Exception as bug:  # noqa: BLE001 - the boundary of one server: the others and the session go on
            _log.error("exception in the supervision of an MCP server", exception=bug, server=self.name)
            self.last_error = "claude-or met a bug; its log has the details"
            self._set("failed")
            self.link.refuse(self.why())
            if self.child is not None:
                self.child.kill()
                self.child = None
        else:
            self._set("stopped")

    async def _supervise(self) -> None:
        index = 0
        while True:
            began = time.monotonic()
            hopeless = await self._live(self.launch.commands[index])
            if self._stopping.is_set():
                return
            lived = time.monotonic() - began
            if self._asked_for:
                self._asked_for = False
                self._woken.clear()
                self.restarts.forget()
                self.restarts.total += 1
                index = 0
                continue
            self._vain = 0 if self._was_ready else self._vain + 1
            if not self._was_ready and index + 1 < len(self.launch.commands):
                index += 1
                continue
            index = 0
            delay = None
            if self.launch.restart and not hopeless:
                delay = self.restarts.delay(time.monotonic(), lived, random.random())  # noqa: S311 - jitter
            if not await self._pause(delay):
                return

    async def _pause(self, delay: float | None) -> bool:
        """Wait before the next life: `delay` seconds, or (None) until somebody asks. False when the session is over."""
        if delay is None:
            self._set("failed")
            self.link.refuse(self.why())
        else:
            self._set("backoff")
            if self._vain >= PATIENT_STARTS and not self.link.known:
                self.link.refuse(self.why())
        if delay != 0:
            await self._any_of(delay, self._stopping.wait(), self._woken.wait())
        if self._asked_for:
            self._asked_for = False
            self.restarts.forget()
        self._woken.clear()
        return not self._stopping.is_set()

    async def _live(self, command: tuple[str, ...]) -> bool:
        """One life, from its start to the end of its group. True when another one would not help."""
        self._was_ready = False
        self._set("starting")
        born, self._born = self._born, None
        try:
            born = born or spawn_again(command, self.launch.env, self.launch.cwd, self._guard)
        except OSError as error:
            self.last_error = f"cannot be started: {error.strerror or error}: {error.filename or command[0]}"
            self.journal.note(self.last_error)
            return True
        self.journal.note(f"started as {born.pid}: {' '.join(born.command)}")
        child = self.child = Child(born, self.journal)
        unhealthy = ""
        try:
            await child.adopt(self.link.receive, self.link.oversized)
            self.link.attach(child.send)
            unhealthy = await self._until_over(child)
            self._was_ready = self.link.ready.is_set()
            self._tell_end(child, unhealthy)
        finally:
            crashed = child.ended.done() and not self._stopping.is_set()
            await child.stop(CRASH_SWEEP if crashed or unhealthy else GRACE)
            self.child = None
            self._guard(f"-pgid {born.pid}")
        return child.code in NO_PROGRAM and not self._was_ready

    async def _until_over(self, child: Child) -> str:
        """Wait for the child's end, the session's, or a reason to end it; that reason."""
        health = self.launch.health
        checks: list[Coroutine[Any, Any, str]] = []
        if health.ping:
            checks.append(pinged(self.link, health))
        if health.url:
            checks.append(probed(health, self._get, self._report))
        done = await self._any_of(None, _end_of(child), self._stopping.wait(), self._woken.wait(), *checks)
        return next((said for said in done if isinstance(said, str)), "")

    def _report(self, said: str) -> None:
        if said != self._unhealthy:
            _log.info("an MCP server's health check", server=self.name, said=said or "well")
        self._unhealthy = said

    def _tell_end(self, child: Child, unhealthy: str) -> None:
        """Say why this life is over, to the log and to whoever waits for an answer."""
        self._unhealthy = ""
        if self._stopping.is_set():
            self.link.lost("the session is over")
            return
        if unhealthy:
            reason = unhealthy
        elif child.ended.done():
            when = "" if self._was_ready else " before it was ready"
            reason = f"{_ended(child.code)}{when}"
        else:
            reason = "was restarted on request"
        self.last_error = reason
        self.journal.note(reason)
        self.link.lost(f"MCP server {self.name} {reason} during this call; the call may have taken effect")

    async def _any_of(self, limit: float | None, *waits: Coroutine[Any, Any, Any]) -> list[Any]:
        """Wait for the first of several; the results of those that are done. The others are cancelled."""
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            done, _ = await asyncio.wait(tasks, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        return [task.result() for task in done]


async def _end_of(child: Child) -> None:
    await asyncio.wait({child.ended})


def _ended(code: int | None) -> str:
    if code is None:
        return "closed its output"
    return f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"
