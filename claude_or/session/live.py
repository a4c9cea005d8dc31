"""The part of a session that needs the heavy libraries: serve the proxy until the child ends.

Imported after `claude` was started. It waits for the child or for a failure that the session cannot go on with, whichever comes
first; everything that was opened is closed by `gateway`, in reverse and within its bounds.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from claude_or.config.folders import cache_folder, data_folder, short, state_folder
from claude_or.config.schema import from_plain
from claude_or.errors import EXIT_BUDGET, EXIT_OK, EXIT_PROXY, ClaudeOrError
from claude_or.log import without_secrets
from claude_or.routing.names import names_told
from claude_or.session.arguments import asks, prints
from claude_or.session.claude import exit_code_of
from claude_or.session.gateway import Gateway
from claude_or.session.lookout import Lookout
from claude_or.session.picked import PickedModel
from claude_or.session.plan import loaded_as
from claude_or.session.reload import ConfigWatch
from claude_or.session.runfolder import STATUS_FILE
from claude_or.session.summary import summary_json, summary_line

if TYPE_CHECKING:
    from claude_or.mcp.fleet import Fleet
    from claude_or.proxy.house import House
    from claude_or.session.flow import Session
    from claude_or.session.plan import LaunchPlan

SERVICE_LIMIT = 15.0
"""Seconds from here until the proxy must serve; without it the child would repeat its request in silence for minutes."""
COLLECT_AFTER = 10_000
"""Objects that may be made before the youngest are looked through for cycles."""
TERM_GRACE = 5.0
"""Seconds that the child gets after a signal was passed on to it before it is killed."""
LOOK_BOUND = 1.0
"""Seconds that the search for contradicting settings gets when the session ends; it takes a few milliseconds."""
_LAST_OF_ITS_OWN = 128
"""Exit codes above this tell of a signal."""


def live(session: Session) -> None:
    """Serve until the child is reaped; `session.status` holds its wait status then, `session.summary` the line to say.

    Raises `ClaudeOrError` (`EXIT_PROXY`) when the proxy cannot serve or cannot go on; the child may still run then.
    """
    try:
        asyncio.run(_live(session))
    finally:
        # The loop is closed, and a signal may still come while the child is being ended.
        session.on_signal = lambda _number: None


async def _live(session: Session) -> None:
    loop = asyncio.get_running_loop()
    child = _watch(session, loop)
    fatal: asyncio.Future[BaseException] = loop.create_future()

    def give_up(error: BaseException) -> None:
        if not fatal.done():
            fatal.set_result(error)

    def start_grace(number: int) -> None:
        del number
        loop.call_soon_threadsafe(loop.call_later, TERM_GRACE, _kill, session)

    session.on_signal = start_grace
    if session.signals:
        # It came, and was passed on, while this was being loaded.
        start_grace(0)
    picked = PickedModel(session.environ, os.getcwd())
    gate = _gateway(session, give_up)
    lookout = Lookout(session.environ, os.getcwd())
    gate.house.meet = lookout.meet
    try:
        async with asyncio.timeout(SERVICE_LIMIT):
            await gate.__aenter__()
    except TimeoutError:
        raise ClaudeOrError(
            f"the proxy did not come up within {SERVICE_LIMIT:g} s",
            hint="The machine may be overloaded; try again. `claude-or doctor` checks the set-up.",
            exit_code=EXIT_PROXY,
        ) from None
    spare_collecting()
    looking = asyncio.create_task(lookout.look())
    try:
        await asyncio.wait({child, fatal}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        # Also a session that was over at once has this in its log.
        await asyncio.wait({looking}, timeout=LOOK_BOUND)
        looking.cancel()
        await gate.__aexit__(None, None, None)
        trouble = picked.put_back(_names_of(session, gate))
        session.warning += f"claude-or: {trouble}\n" if trouble else ""
    if not child.done():
        raise ClaudeOrError(
            f"the proxy could not go on: {without_secrets(str(fatal.result()))}",
            hint=f"The session was ended. Its log is {gate.log_path or 'not written'}.",
            exit_code=EXIT_PROXY,
        )
    _sum_up(session, gate, lookout)


def spare_collecting() -> None:
    """What was loaded stays until the end, so no collection needs to look at it; and streams make few cycles, so that looking for
    them at every 700th object is a waste. Under a thousand streams it took 23 % of the time, and takes 13 %."""
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


def _gateway(session: Session, on_fatal: Callable[[BaseException], None]) -> Gateway:
    from claude_or.session.flow import tell_guardian

    gate = Gateway(
        settings=from_plain(session.plan.settings),
        key=session.key,
        listener=adopt(session.socket),
        token=session.token,
        control_token=session.control_token,
        cache_folder=cache_folder(session.environ),
        log_path=log_path(session.environ),
        on_fatal=on_fatal,
        scratch=session.scratch,
        fleet=_fleet(session),
        environ=session.environ,
        watch=_watch_config(session.plan, session.environ, session.arguments.ours),
        ledger_path=ledger_path(session.environ) if session.key is not None else "",
        project=os.getcwd(),
        status_path=os.path.join(session.folder.path, STATUS_FILE),
    )
    gate.house.told = names_told(gate.settings)
    gate.guarded_by(lambda line: tell_guardian(session, line))
    return gate


def _names_of(session: Session, gate: Gateway) -> set[str]:
    """Names of models that mean something in this session only."""
    picker = {row["model"] for row in session.plan.facts["picker"]}
    return picker | set(gate.settings.aliases) | {slug for slug, _ in gate.tally}


def _watch_config(plan: LaunchPlan, environ: Mapping[str, str], ours: Mapping[str, str]) -> ConfigWatch:
    cwd = os.getcwd()
    return ConfigWatch(plan.files, lambda: loaded_as(environ, cwd, ours))


def _fleet(session: Session) -> Fleet | None:
    """The MCP servers that the launch started, from now on supervised."""
    servers = session.servers
    if servers is None or not servers.launches:
        return None
    from claude_or.mcp.fleet import Fleet
    from claude_or.mcp.launch import launch_from_plain
    from claude_or.session.flow import tell_guardian

    return Fleet(
        [launch_from_plain(launch) for launch in servers.launches],
        tokens=servers.tokens,
        born=servers.born,
        guard=lambda line: tell_guardian(session, line),
        log_folder=os.path.join(state_folder(session.environ), "logs", "mcp"),
    )


def adopt(listener: Any) -> socket.socket:
    """The raw socket of the launch as the kind that asyncio takes; it owns the descriptor from now on."""
    return socket.socket(fileno=listener.detach())


def log_path(environ: Mapping[str, str]) -> str:
    """Where this session's log goes: one file per session, named by its start."""
    started = time.strftime("%Y%m%d-%H%M%S")
    return os.path.join(state_folder(environ), "logs", f"{started}-{os.getpid()}.jsonl")


def ledger_path(environ: Mapping[str, str]) -> str:
    """Where the ledger of all sessions is."""
    return os.path.join(data_folder(environ), "ledger.sqlite")


def _sum_up(session: Session, gate: Gateway, lookout: Lookout) -> None:
    seconds = time.monotonic() - session.started
    code = exit_code_of(session.status or 0)
    if gate.books.budget.refused and code and prints(session.arguments.theirs):
        # A script must be able to tell a spent budget from any other failure.
        code = session.exit_code = EXIT_BUDGET
    astray = _is_astray(session, gate.house, code)
    if astray:
        why = "so claude may have used" if code == EXIT_OK else "so unless it says why it asked nobody, claude tried"
        session.warning = (
            f"claude-or: no request reached the proxy, {why} another host; "
            "`claude-or doctor` looks for settings that lead it astray\n"
        )
    session.warning += "".join(f"claude-or: {line}\n" for line in lookout.told(astray=astray))
    if gate.fleet is not None:
        session.warning += "".join(f"claude-or: {trouble}\n" for trouble in gate.fleet.troubles)
    session.summary = summary_line(
        gate.tally,
        seconds=seconds,
        log_path=short(gate.log_path, session.environ),
        assumed=session.plan.facts["assumed"],
        bundled=session.plan.facts["bundled"],
        books=gate.books,
        set_aside="" if astray else lookout.set_aside(),
    )
    if gate.config_trouble:
        session.warning += f"claude-or: the last edit of the configuration was not applied: {gate.config_trouble}\n"
    path = session.arguments.ours.get("--summary-json")
    if path:
        try:
            with open(path, "wb") as file:
                file.write(
                    msgspec.json.encode(
                        summary_json(gate.books, seconds=seconds, exit_code=code, conflicts=lookout.found())
                    )
                    + b"\n"
                )
        except OSError as error:
            session.warning += f"claude-or: --summary-json {path}: {error.strerror}\n"


def _is_astray(session: Session, house: House, code: int) -> bool:
    """Whether print mode ended by itself without a single request. A terminal's user may just have looked around."""
    came = house.served or house.open_requests or house.turned_away
    return not came and code <= _LAST_OF_ITS_OWN and asks(session.arguments.theirs)


def serve(
    *,
    plan: LaunchPlan,
    key: str,
    listener: Any,
    port: int,
    token: str,
    environ: Mapping[str, str],
    ours: Mapping[str, str],
) -> int:
    """The gateway without a child, until SIGTERM, SIGHUP or SIGINT; returns the exit code. `ours` are the options given."""
    return asyncio.run(_serve(plan, key, listener, port, token, environ, ours))


async def _serve(
    plan: LaunchPlan,
    key: str,
    listener: Any,
    port: int,
    token: str,
    environ: Mapping[str, str],
    ours: Mapping[str, str],
) -> int:
    loop = asyncio.get_running_loop()
    over: asyncio.Future[BaseException | None] = loop.create_future()

    def end(error: BaseException | None = None) -> None:
        if not over.done():
            over.set_result(error)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        loop.add_signal_handler(number, end)
    gate = Gateway(
        settings=from_plain(plan.settings),
        key=key,
        listener=adopt(listener),
        token=token,
        control_token=os.urandom(24).hex(),
        cache_folder=cache_folder(environ),
        log_path=log_path(environ),
        on_fatal=end,
        environ=environ,
        watch=_watch_config(plan, environ, ours),
        ledger_path=ledger_path(environ),
        project=os.getcwd(),
    )
    async with gate:
        spare_collecting()
        sys.stderr.write("".join(f"claude-or: {line}\n" for line in plan.facts.get("loud", ())))
        sys.stdout.write(f"claude-or serves on http://127.0.0.1:{port}\n")
        sys.stdout.flush()
        if sys.stderr.isatty():
            sys.stderr.write(
                f"  → ANTHROPIC_BASE_URL=http://127.0.0.1:{port} ANTHROPIC_AUTH_TOKEN=<the token>; Ctrl-C ends it.\n"
            )
        failed = await over
    if failed is not None:
        raise ClaudeOrError(
            f"the proxy could not go on: {without_secrets(str(failed))}",
            hint=f"Its log is {gate.log_path}.",
            exit_code=EXIT_PROXY,
        )
    return EXIT_OK


def _kill(session: Session) -> None:
    if session.status is None:
        try:
            os.kill(session.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _watch(session: Session, loop: asyncio.AbstractEventLoop) -> asyncio.Future[int]:
    """A future that is done when the child is reaped. It was born before the loop, so asyncio's own watchers do not know it."""
    done: asyncio.Future[int] = loop.create_future()

    def reap() -> None:
        try:
            pid, status = os.waitpid(session.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = session.pid, 0
        if pid:
            session.status = status
            done.set_result(status)

    try:
        handle = os.pidfd_open(session.pid)
    except (AttributeError, OSError):
        handle = -1  # macOS has none; nor have old kernels, some sandboxes, and a process without descriptors left

    if handle >= 0:

        def readable() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            reap()

        loop.add_reader(handle, readable)
        return done

    async def poll() -> None:
        while not done.done():
            reap()
            await asyncio.sleep(0.05)

    task = loop.create_task(poll())
    done.add_done_callback(lambda _: task.cancel())
    return done
