"""One session, top to bottom: prepare, start `claude`, serve it, take everything down.

`claude` needs some 0.7 s until its first request, and our libraries need some 0.4 s to load. So it is started first, and the
kernel's backlog holds a request that comes before the server does. Until then this module and what it imports use nothing
heavier than `os` and `_socket`.
"""

from __future__ import annotations

import os
import sys
import time

from claude_or.errors import EXIT_PROXY, EXIT_USAGE, ClaudeOrError
from claude_or.session.arguments import Arguments, prints, rewrite, value_of
from claude_or.session.claude import (
    Terminal,
    end,
    exit_code_of,
    reap,
    require_claude,
    spawn,
    spawn_guardian,
    without_own_key,
)
from claude_or.session.environment import MARK, environment_of, filled, no_proxy_of
from claude_or.session.excepted import excepted
from claude_or.session.plan import LaunchPlan, launch_plan
from claude_or.session.runfolder import CONTROL_FILE, RunFolder, base_folder, start_time, sweep

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from claude_or.session.servers import Servers

BACKLOG = 512
TOKEN_VARIABLE = "CLAUDE_OR_TOKEN"
SHORTEST_TOKEN = 16
GUARDIAN_BOUND = 3.0
"""Seconds that the guardian gets to end what is left. It grants a second between asking and forcing."""
SETTINGS_FILE = "settings.json"
USERS_LINE_FILE = "statusline.json"


class Session:
    """What one session holds. Everything in it ends with it."""

    def __init__(self, environ: dict[str, str], arguments: Arguments) -> None:
        self.environ = environ
        self.arguments = arguments
        self.started = time.monotonic()
        self.token = os.urandom(24).hex()
        self.control_token = os.urandom(24).hex()
        self.pid = 0
        self.status: int | None = None
        self.exit_code: int | None = None
        """What we leave with, where that is not the child's own code."""
        self.signals = 0
        self.leaving = False
        """Set once there is no way back: a signal may not interrupt the tidying up."""
        self.on_signal: Callable[[int], None] = _nothing
        self.plan: LaunchPlan
        self.key: str | None = None
        self.scratch = ""
        self.summary = ""
        self.warning = ""
        self.folder: RunFolder
        self.socket: Any = None
        self.port = 0
        self.guardian: tuple[int, int] = (0, -1)
        self.servers: Servers | None = None
        self.no_proxy = no_proxy_of(environ, excepted(environ))

    @property
    def url(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self.port}"

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Pass a signal on to the child; the second one kills it."""
        del frame
        self.signals += 1
        if self.pid and self.status is None:
            import _signal  # pyright: ignore[reportMissingImports]

            try:
                os.kill(self.pid, number if self.signals == 1 else _signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.on_signal(number)
        elif not self.pid and not self.leaving:
            self.leaving = True
            raise SystemExit(128 + number)


def _nothing(number: int) -> None:
    del number


def run_session(arguments: Arguments, environ: dict[str, str]) -> int:
    """Run one session; returns the exit code. Raises `ClaudeOrError` for what kept it from starting."""
    from claude_or.config.folders import cache_folder

    session = Session(environ, arguments)
    session.plan = launch_plan(
        environ, os.getcwd(), arguments.ours, cache_folder(environ), printing=prints(arguments.theirs)
    )
    try:
        session.key = needed_key(session.plan, environ)
    except ClaudeOrError:
        outer = environ.get(MARK, "")
        if outer and os.path.exists(outer):
            return _run_inside(outer, arguments, environ)
        raise
    return _start(session)


def run_demo(arguments: Arguments, environ: dict[str, str]) -> int:
    """The same on a scripted model, in a scratch folder; needs no key and asks no host."""
    from claude_or.session.demo import Scratch, demo_plan

    try:
        scratch = Scratch()
    except OSError as error:
        raise ClaudeOrError(
            f"the demo's folder cannot be made: {error.strerror or error}",
            hint="Set TMPDIR to a folder that you can write to.",
            exit_code=EXIT_PROXY,
        ) from None
    here = os.getcwd()
    try:
        session = Session(scratch.environ(environ), arguments)
        session.plan = demo_plan()
        session.scratch = scratch.project
        os.chdir(scratch.project)
        return _start(session)
    finally:
        os.chdir(here)
        scratch.remove()


def _start(session: Session) -> int:
    """From the socket to the exit code; `session` holds its plan and its key."""
    claude = require_claude(session.environ)
    session.socket, session.port = listening_socket()
    base = base_folder(session.environ)
    sweep(base)
    session.folder = _folder(base)
    terminal = Terminal()
    try:
        _take_signals(session)
        settings = _settings_file(session)
        session.guardian = spawn_guardian()
        configs = _start_servers(session)
        arguments = _their_arguments(session, settings, configs)
        environment = _child_environment(session, settings)
        tell_guardian(session, f"+port {session.port}")
        _tell_notices(session)
        session.pid = spawn(claude, arguments, environment)
        tell_guardian(session, f"+pid {session.pid} {start_time(session.pid) or '?'}")
        return _serve(session, terminal)
    finally:
        _take_down(session)


def needed_key(plan: LaunchPlan, environ: dict[str, str]) -> str:
    """OpenRouter's key; empty when no role asks OpenRouter and there is none. The keys of other hosts must be there, too.

    From the environment without loading anything when it is plainly there and needs no cleaning. Raises `ClaudeOrError`.
    """
    from_openrouter = plan.without[0]
    key = environ.get(from_openrouter, "")
    command = plan.settings["openrouter"]["key_command"]
    is_plain = not command and key.startswith("sk-or-") and key.isascii() and key.isprintable() and " " not in key
    others = [host for host, name in plan.keys.items() if name != from_openrouter and not environ.get(name, "").strip()]
    if is_plain and not others:
        return key
    from claude_or.config.key import provider_key
    from claude_or.config.schema import from_plain
    from claude_or.session.keys import key_of

    settings = from_plain(plan.settings)
    for host in others:
        provider_key(environ, host, settings.providers[host])
    if not key.strip() and not command and from_openrouter not in plan.keys.values():
        return ""
    return key_of(environ, settings, os.getcwd()).value


def _tell_notices(session: Session) -> None:
    """What should be known before; said while the terminal is still ours."""
    told = session.plan.facts.get("loud" if "--quiet" in session.arguments.ours else "notices", ())
    try:
        sys.stderr.write("".join(f"claude-or: {line}\n" for line in told))
    except OSError:
        pass  # the terminal was closed


def listening_socket(port: int = 0) -> tuple[Any, int]:
    """A socket that already listens on 127.0.0.1, and its port. Raises `ClaudeOrError` (`EXIT_PROXY`)."""
    import _socket

    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    try:
        if port:
            listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ClaudeOrError(
            f"the proxy cannot listen on 127.0.0.1:{port or 'any port'}: {error.strerror}",
            hint="Choose another port, or look for what holds this one.",
            exit_code=EXIT_PROXY,
        ) from None
    return listener, listener.getsockname()[1]


def _folder(base: str) -> RunFolder:
    try:
        return RunFolder.create(base)
    except OSError as error:
        raise ClaudeOrError(
            f"the session's folder cannot be made in {base}: {error.strerror or error}",
            hint="Set TMPDIR to a folder that you can write to.",
            exit_code=EXIT_PROXY,
        ) from None


def _take_signals(session: Session) -> None:
    """From here on a signal reaches the child. SIGINT is a function, not "ignore": an ignored signal would be inherited."""
    import _signal  # pyright: ignore[reportMissingImports]

    _signal.signal(_signal.SIGINT, _do_nothing)
    _signal.signal(_signal.SIGTERM, session.receive)
    _signal.signal(_signal.SIGHUP, session.receive)


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """The terminal gave Ctrl-C to the child already, for which it is a key like any other."""


def _settings_file(session: Session) -> str:
    """Write the settings file, merged with what the user gave by `--settings`; its path."""
    from claude_or.session.environment import merged

    text = filled(
        session.plan.settings_text,
        url=session.url,
        token=session.token,
        no_proxy=session.no_proxy,
        status=status_command(),
    )
    users = value_of(session.arguments.theirs, "--settings")
    line = ""
    if users is not None:
        import json

        theirs = read_settings(users)
        line = json.dumps(theirs.get("statusLine") or {})
        text = json.dumps(merged(theirs, json.loads(text)))
    control = f'{{"port":{session.port},"token":"{session.control_token}","pid":{os.getpid()}}}\n'
    try:
        session.folder.write(CONTROL_FILE, control)
        if line:
            session.folder.write(USERS_LINE_FILE, line)
        return session.folder.write(SETTINGS_FILE, text)
    except OSError as error:
        # Half of these settings would send requests somewhere else.
        raise _unwritten(session, error) from None


def _start_servers(session: Session) -> list[str]:
    """Start the MCP servers; the path of the file that tells `claude` of them, if there are any."""
    plain = session.plan.mcp
    if not plain or not any(plain.values()):
        return []
    from claude_or.session.servers import FILE, servers_of

    session.servers = servers_of(plain)
    if session.servers is None:
        return []
    session.servers.start(lambda line: tell_guardian(session, line))
    try:
        return [session.folder.write(FILE, session.servers.configuration(session.url))]
    except OSError as error:
        raise _unwritten(session, error) from None


def _unwritten(session: Session, error: OSError) -> ClaudeOrError:
    return ClaudeOrError(
        f"the session's files cannot be written in {session.folder.path}: {error.strerror or error}",
        hint="Make room there, or set TMPDIR to a folder that has some.",
        exit_code=EXIT_PROXY,
    )


def status_command() -> str:
    """The command of the status line, as a shell reads it: a bare interpreter and one file of ours."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "statusline.py")
    return " ".join("'" + part.replace("'", "'\\''") + "'" for part in (sys.executable, "-I", "-S", script))


def read_settings(value: str) -> dict[str, Any]:
    """What the user gave to `--settings`: a file or JSON. Raises `ClaudeOrError` (`EXIT_USAGE`) when it is neither."""
    import json

    try:
        if value.lstrip().startswith("{"):
            found = json.loads(value)
        else:
            with open(os.path.expanduser(value), encoding="utf-8") as file:
                found = json.load(file)
    except OSError as error:
        raise ClaudeOrError(
            f"--settings {value}: {error.strerror}",
            hint="Name a JSON file, or give the JSON itself.",
            exit_code=EXIT_USAGE,
        ) from None
    except ValueError as error:
        raise ClaudeOrError(
            f"--settings is not valid JSON: {error}",
            hint="Correct it; claude would have ignored it.",
            exit_code=EXIT_USAGE,
        ) from None
    if not isinstance(found, dict):
        raise ClaudeOrError(
            "--settings must be a JSON object", hint='For example {"model": "…"}.', exit_code=EXIT_USAGE
        )
    return found


def _their_arguments(session: Session, settings: str, configs: list[str]) -> list[str]:
    theirs = session.arguments.theirs
    if value_of(theirs, "--model") is None:
        return rewrite(theirs, settings=settings, model=str, mcp_configs=configs)
    from claude_or.config.schema import from_plain
    from claude_or.session.facts import model_argument

    translate = model_argument(from_plain(session.plan.settings), session.plan.facts["long"])
    return rewrite(theirs, settings=settings, model=translate, mcp_configs=configs)


def _child_environment(session: Session, settings: str) -> dict[str, str]:
    variables = {
        name: filled(value, url=session.url, token=session.token, no_proxy=session.no_proxy)
        for name, value in session.plan.variables.items()
    }
    if session.servers is not None:
        variables |= session.servers.variables(session.environ)
    variables |= without_own_key(session.environ)
    return environment_of(session.environ, variables, without=session.plan.without, settings_path=settings)


def _run_inside(settings: str, arguments: Arguments, environ: dict[str, str]) -> int:
    """A session inside a session: the key stayed outside, so `claude` uses the outer proxy, with the outer models."""
    if arguments.ours.keys() & {"--big", "--small", "--profile", "--config"}:
        raise ClaudeOrError(
            "inside another claude-or session the models are the outer session's, because its key stays outside",
            hint="Leave out --big, --small, --profile and --config, or run it in another terminal.",
            exit_code=EXIT_USAGE,
        )
    claude = require_claude(environ)
    child = environment_of(environ, {}, without=(), settings_path=settings)
    os.execve(  # noqa: S606 - there is no shell to be had, and none wanted
        claude, ["claude", *rewrite(arguments.theirs, settings=settings, model=str)], child
    )


def tell_guardian(session: Session, line: str) -> None:
    """Write one line to the guardian. Without a guardian the session goes on; it only loses its safety net."""
    try:
        os.write(session.guardian[1], line.encode() + b"\n")
    except OSError:
        pass


def _serve(session: Session, terminal: Terminal) -> int:
    """Serve until the child ends; its exit code, as a shell would say it."""
    try:
        from claude_or.session.live import live

        live(session)
    except BaseException as error:
        # Whatever it was: a child without a proxy would repeat its request in silence for minutes.
        if session.status is None:
            session.status = end(session.pid)
        terminal.restore()
        if isinstance(error, OSError | ImportError):
            raise ClaudeOrError(
                f"the proxy could not be started: {error}",
                hint="The session was ended. `claude-or doctor` checks the set-up.",
                exit_code=EXIT_PROXY,
            ) from error
        raise
    if session.status is None or os.WIFSIGNALED(session.status):
        terminal.restore()
    said = session.warning
    if "--quiet" not in session.arguments.ours:
        said += session.summary
    try:
        sys.stderr.write(said)
        sys.stderr.flush()
    except OSError:
        pass  # the terminal was closed: nobody is left to read it
    return exit_code_of(session.status or 0) if session.exit_code is None else session.exit_code


def _take_down(session: Session) -> None:
    """Undo what `run_session` did, in reverse."""
    session.leaving = True
    pid, pipe = session.guardian
    if pid:
        if session.status is not None:
            tell_guardian(session, f"-pid {session.pid}")
        os.close(pipe)
        reap(pid, GUARDIAN_BOUND)
    session.folder.remove()
    session.socket.close()


def serve_forever(port: int, ours: dict[str, str], environ: dict[str, str]) -> int:
    """The same gateway without a session; returns the exit code. Raises `ClaudeOrError` for what keeps it from serving."""
    from claude_or.config.folders import cache_folder

    plan = launch_plan(environ, os.getcwd(), ours, cache_folder(environ), with_servers=False)
    key = needed_key(plan, environ)
    token = environ.get(TOKEN_VARIABLE, "").strip()
    if 0 < len(token) < SHORTEST_TOKEN:
        raise ClaudeOrError(
            f"{TOKEN_VARIABLE} is too short to protect your key: {len(token)} characters",
            hint=f"Use at least {SHORTEST_TOKEN}, or unset it and take the one that is made.",
            exit_code=EXIT_USAGE,
        )
    if not token:
        token = os.urandom(24).hex()
        sys.stdout.write(f"token: {token}\n")
    listener, port = listening_socket(port)
    from claude_or.session.live import serve

    return serve(plan=plan, key=key, listener=listener, port=port, token=token, environ=environ, ours=ours)
