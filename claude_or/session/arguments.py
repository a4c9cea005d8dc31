"""Whose argument is whose: decided on the raw command line, before any command-line library sees it.

Our long options are read only while they lead; the first token that is not ours ends them, and the rest belongs to `claude`,
untouched and in order. Two of its options are looked at wherever they stand, because two programs that both set them would
fight: `--model` and `--settings`. Pure, and light: this module lies on the launch path.
"""

from __future__ import annotations

from claude_or.errors import EXIT_USAGE, ClaudeOrError

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VALUED = ("--big", "--small", "--config", "--profile", "--log-level", "--summary-json", "--budget", "--mcp")
"""Our options that take a value."""
SWITCHES = ("--dry-run", "--quiet", "--install-claude", "--trust-mcp", "--log-content")
"""Our options that take none."""
REPEATED = ("--mcp",)
"""Those of them that may stand several times: their values are kept line by line."""

DEMO = "demo"
"""The one command of ours that is a session: what follows it is split like a session's."""

MANAGEMENT = frozenset(
    {
        "agents",
        "attach",
        "auth",
        "auto-mode",
        "gateway",
        "import",
        "install",
        "logs",
        "mcp",
        "plugin",
        "plugins",
        "purge",
    }
    | {"respawn", "rm", "setup-token", "stop", "kill", "ultrareview", "update", "upgrade"}
)
"""Claude Code's own commands that talk to no model through us: they run without a proxy. Source: `claude --help`, 2.1.330."""

OUTLIVING = {
    "--bg": "a background session would outlive the proxy",
    "--background": "a background session would outlive the proxy",
    "--cloud": "a cloud session does not run on this machine",
    "--environment": "a cloud session does not run on this machine",
    "--teleport": "a teleported session belongs to Anthropic's cloud",
    "--desktop": "the desktop app does not use the proxy",
    "--remote-control": "remote control needs Anthropic's own servers",
}
"""Options that cannot work behind a proxy that ends with the session, and why."""


class Arguments:
    """A command line, split. `kind` says who acts on it.

    * `session`: start a session with `theirs` for `claude` and `ours` as option → value (`"1"` for a switch)
    * `demo`: the same on the scripted model
    * `command`: `theirs` is a command of ours with its arguments
    * `passed`: `theirs` goes to `claude` as it is, without a proxy
    * `help`, `version`: say it and leave
    """

    __slots__ = ("kind", "ours", "theirs")

    def __init__(self, kind: str, ours: dict[str, str], theirs: list[str]) -> None:
        self.kind = kind
        self.ours = ours
        self.theirs = theirs


def split(argv: Sequence[str], commands: frozenset[str]) -> Arguments:
    """Split the arguments after the program's name. `commands` are our own commands' names.

    Raises `ClaudeOrError` (`EXIT_USAGE`) for an option of ours without its value and for what would outlive the proxy.
    """
    rest = list(argv)
    if len(rest) == 1 and rest[0] in {"-h", "--help"}:
        return Arguments("help", {}, rest)
    if len(rest) == 1 and rest[0] in {"-V", "-v", "--version"}:
        return Arguments("version", {}, rest)
    demo = rest[:1] == [DEMO] and not {"-h", "--help"} & set(rest[1:2])
    if rest and rest[0] in commands and not demo:
        return Arguments("command", {}, rest)
    ours, theirs, divided = _leading(rest[1:] if demo else rest)
    if demo:
        _refuse_outliving(theirs)
        return Arguments("demo", ours, theirs)
    if theirs and not ours and theirs[0] in MANAGEMENT:
        return Arguments("passed", {}, theirs)
    if theirs and not divided and theirs[0] in commands:
        raise ClaudeOrError(
            f"the command {theirs[0]!r} must come first",
            hint=f"Write `claude-or {theirs[0]} …`; to send it to claude as a prompt: `claude-or … -- {theirs[0]}`.",
            exit_code=EXIT_USAGE,
        )
    _refuse_outliving(theirs)
    return Arguments("session", ours, theirs)


def _leading(rest: list[str]) -> tuple[dict[str, str], list[str], bool]:
    """Our leading options, what follows them, and whether a `--` divided the two."""
    ours: dict[str, str] = {}
    at = 0
    while at < len(rest):
        token = rest[at]
        if token == "--":
            return ours, rest[at + 1 :], True
        name, equals, value = token.partition("=")
        if name in SWITCHES and not equals:
            ours[name] = "1"
        elif name in VALUED:
            if not equals:
                at += 1
                value = rest[at] if at < len(rest) else ""
            if not value or (not equals and value.startswith("--")):
                raise ClaudeOrError(
                    f"{name} needs a value", hint=f"Write {name} VALUE or {name}=VALUE.", exit_code=EXIT_USAGE
                )
            ours[name] = f"{ours[name]}\n{value}" if name in REPEATED and name in ours else value
        else:
            break
        at += 1
    return ours, rest[at:], False


def _refuse_outliving(theirs: Sequence[str]) -> None:
    for token in _options_of(theirs):
        name = token.partition("=")[0]
        if name in OUTLIVING:
            raise ClaudeOrError(
                f"{name} cannot be used here: {OUTLIVING[name]}",
                hint=f"Run `claude {name}` without claude-or.",
                exit_code=EXIT_USAGE,
            )


def _options_of(theirs: Sequence[str]) -> Sequence[str]:
    """What stands before a further `--`."""
    return theirs[: theirs.index("--")] if "--" in theirs else theirs


def prints(theirs: Sequence[str]) -> bool:
    """Whether `claude` will run in print mode, so that stdout belongs to its output alone."""
    return any(token == "--print" or token.startswith(("-p", "-cp")) for token in _options_of(theirs))


def asks(theirs: Sequence[str]) -> bool:
    """Whether `claude` will print a model's answer: print mode, and nothing that it answers by itself."""
    return prints(theirs) and not {"-h", "--help", "-v", "--version"} & set(_options_of(theirs))


def value_of(theirs: Sequence[str], option: str) -> str | None:
    """The last value of `--settings` or `--model`; None when it is not there."""
    found = None
    tokens = _options_of(theirs)
    at = 0
    while at < len(tokens):
        name, equals, value = tokens[at].partition("=")
        if name in {"--settings", "--model"} and not equals:
            at += 1  # its value, whatever that looks like
            value = tokens[at] if at < len(tokens) else None
        if name == option and value is not None and (equals or at < len(tokens)):
            found = value
        at += 1
    return found


def rewrite(
    theirs: Sequence[str], *, settings: str, model: Callable[[str], str], mcp_configs: Sequence[str] = ()
) -> list[str]:
    """The arguments that `claude` gets.

    `settings` is the path of our merged settings file: it takes the place of the last `--settings` (only the last counts for
    `claude`), earlier ones go; without any it is put in front. `model` translates the value of `--model`. `mcp_configs` are
    put in front, beside the user's own.
    """
    limit = len(_options_of(theirs))
    out: list[str] = []
    settings_at = -1
    at = 0
    while at < len(theirs):
        token = theirs[at]
        name, equals, value = token.partition("=")
        if at >= limit or name not in {"--settings", "--model"}:
            out.append(token)
        elif not equals and at + 1 >= limit:
            out.append(token)  # claude itself says that the value is missing
        else:
            if not equals:
                at += 1
                value = theirs[at]
            if name == "--model":
                out.extend([f"{name}={model(value)}"] if equals else [name, model(value)])
            else:
                if settings_at >= 0:
                    del out[settings_at : settings_at + 2]
                settings_at = len(out)
                out.extend(["--settings", settings])
        at += 1
    front = [] if settings_at >= 0 else ["--settings", settings]
    # One value per flag: `--mcp-config` takes several, and would swallow the prompt that follows. The user's own still count.
    return front + [f"--mcp-config={config}" for config in mcp_configs] + out
