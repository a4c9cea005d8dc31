"""Entry point: whose command line is it, run it, and the one place where errors become words and exit codes.

Only light imports: a session must reach `claude` before anything heavy is loaded, and `--version` should feel instant.
"""

from __future__ import annotations

import os
import sys

from claude_or.cli.names import COMMANDS
from claude_or.errors import EXIT_INTERNAL, EXIT_OK, EXIT_USAGE, ClaudeOrError
from claude_or.session.arguments import Arguments, split

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Sequence

DEBUG_VARIABLE = "CLAUDE_OR_DEBUG"
MARK = "CLAUDE_OR_SESSION"
KEY_VARIABLE = "OPENROUTER_API_KEY"


def entry() -> None:
    """The `claude-or` program. Leaves without tearing the interpreter down: everything was closed before, and it saves 0.1 s."""
    _see_to_streams()
    _see_to_encoding()
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        pass  # whoever read our output is gone
    os._exit(code)


def _see_to_streams() -> None:
    """Open `/dev/null` where a standard stream was closed (`>&-`): else the next file or socket opened would land there, and whoever
    writes to the stream would fail."""
    for handle in (0, 1, 2):
        try:
            os.fstat(handle)
        except OSError:
            # The lowest free number is this one. `claude` gets it, too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code. Never raises."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except ClaudeOrError as error:
        _say(error)
        return error.exit_code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_OK if stop.code is None else EXIT_USAGE
    except KeyboardInterrupt:
        _end_line()
        return 130
    except BrokenPipeError:
        return 141
    except Exception as error:  # noqa: BLE001 - the boundary
        return _report_bug(error)


def _see_to_encoding() -> None:
    """Where the terminal or the pipe is not UTF-8, signs that it lacks are written in ASCII; Python would raise or write `\\u2192`."""
    for stream in (sys.stdout, sys.stderr):
        encoding = getattr(stream, "encoding", None) or "utf-8"
        if not encoding.lower().startswith("utf"):
            from claude_or.cli.folding import write_plainly

            write_plainly(stream)


def _run(argv: Sequence[str]) -> int:
    """One command, by kind."""
    environ = dict(os.environ)
    arguments = split(argv, COMMANDS)
    if arguments.kind == "version":
        return _say_versions(environ)
    if arguments.kind == "help":
        from claude_or.cli.folding import columns_of
        from claude_or.cli.help import HELP, fitted

        sys.stdout.write(fitted(HELP, columns_of(sys.stdout) or 0))
        return EXIT_OK
    if arguments.theirs[:1] == ["statusline"] and arguments.kind == "command":
        from claude_or.session.statusline import main as show_status

        return show_status()
    if arguments.kind == "passed":
        return _pass_to_claude(arguments, environ)
    _see_to_folder()
    if arguments.kind == "command":
        return _run_app(arguments.theirs)
    if sys.platform == "win32":
        raise ClaudeOrError("native Windows is not supported", hint="Run claude-or inside WSL.", exit_code=EXIT_USAGE)
    if "--dry-run" in arguments.ours and arguments.kind == "session":
        from claude_or.session.rehearsal import rehearse

        return rehearse(arguments, environ)
    _see_to_typos(arguments, argv)
    _see_to_claude(arguments, environ)
    _see_to_key(arguments, environ)
    from claude_or.session.flow import run_demo, run_session

    return (run_demo if arguments.kind == "demo" else run_session)(arguments, environ)


def _see_to_folder() -> None:
    """Projects have their own settings, so there must be a folder to be in."""
    try:
        os.getcwd()
    except OSError:
        raise ClaudeOrError(
            "the folder you are in does not exist any more",
            hint="Change into one that does, for example with `cd`.",
            exit_code=EXIT_USAGE,
        ) from None


def _see_to_claude(arguments: Arguments, environ: dict[str, str]) -> None:
    """Without Claude Code there is no session; it can be had here and now."""
    from claude_or.session.claude import find_claude

    if find_claude(environ) is None:
        from claude_or.cli.install import offer

        offer(environ, asked_for=arguments.kind == "demo" or "--install-claude" in arguments.ours)


def _see_to_key(arguments: Arguments, environ: dict[str, str]) -> None:
    """Without a key, and with somebody there who can answer, the first run is a guided one."""
    if environ.get(KEY_VARIABLE, "").strip() or MARK in environ:
        return
    from claude_or.session.keys import is_stored

    if is_stored(environ):
        return
    from claude_or.cli.first_run import guide, needed, wanted
    from claude_or.session.arguments import prints

    if wanted(arguments.kind, printing=prints(arguments.theirs)) and needed(arguments.ours, environ, os.getcwd()):
        guide(environ, os.getcwd())


def _run_app(argv: Sequence[str]) -> int:
    """Hand over to the Typer application of our own commands."""
    from claude_or.cli.app import run

    return run(list(argv))


def _say_versions(environ: dict[str, str]) -> int:
    from claude_or import __version__
    from claude_or.session.claude import claude_version

    sys.stdout.write(f"claude-or {__version__}\nclaude {claude_version(environ) or 'not found'}\n")
    return EXIT_OK


def _pass_to_claude(arguments: Arguments, environ: dict[str, str]) -> int:
    """Claude Code's own management commands need no model, so they get no proxy; and not our key either."""
    from claude_or.config.key import key_variables
    from claude_or.config.schema import Settings
    from claude_or.session.claude import require_claude

    for name in key_variables(Settings()):
        environ.pop(name, None)
    claude = require_claude(environ)
    sys.stdout.flush()
    os.execve(claude, ["claude", *arguments.theirs], environ)  # noqa: S606 - there is no shell to be had, and none wanted


def _see_to_typos(arguments: Arguments, argv: Sequence[str]) -> None:
    """`claude-or doctr` would send "doctr" to a model and bill it: asked about on a terminal, told elsewhere."""
    theirs = arguments.theirs
    if not theirs or arguments.kind != "session" or list(argv[-len(theirs) - 1 :][:1]) == ["--"]:
        return
    from claude_or.cli.typos import command_meant, refuse_certain, remarks

    refuse_certain(theirs)
    meant = command_meant(theirs) if len(theirs) == 1 and sys.stdin.isatty() and sys.stderr.isatty() else None
    if meant is None:
        sys.stderr.write("".join(f"claude-or: {line}\n" for line in remarks(theirs)))
        return
    sys.stderr.write(
        f"No such command {theirs[0]!r}. Did you mean `claude-or {meant}`?\n[y = run it, Enter = send it as a prompt] "
    )
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        raise SystemExit(_run_app([meant]))


def _say(error: ClaudeOrError) -> None:
    """What happened and what to do, one line each."""
    from claude_or.cli.folding import columns_of, folded

    lines = [f"claude-or: {error.message}", *(f"           {line}" for line in error.detail), f"  → {error.hint}"]
    try:
        sys.stderr.write(folded("\n".join(lines), columns_of(sys.stderr)) + "\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody is left to read it; the exit code tells


def _end_line() -> None:
    """Ctrl-C at a question leaves the cursor behind it, where the shell's prompt would stand next."""
    try:
        if sys.stderr.isatty():
            sys.stderr.write("\n")
    except (OSError, ValueError, AttributeError):
        pass  # there is no stderr any more


def _report_bug(error: Exception) -> int:
    """A bug of ours: the details go into a file, one line to the user."""
    from claude_or.config.folders import state_folder
    from claude_or.log import told_of_crash, write_crash

    if os.environ.get(DEBUG_VARIABLE):
        sys.stderr.write(told_of_crash(error))
        return EXIT_INTERNAL

    path = write_crash(error, os.path.join(state_folder(os.environ), "logs"))
    _say(
        ClaudeOrError(
            f"an internal error ({type(error).__name__})",
            hint=f"Please report it with {path}." if path else f"Run it again with {DEBUG_VARIABLE}=1 for details.",
        )
    )
    return EXIT_INTERNAL


if __name__ == "__main__":
    entry()
