"""`claude-or login` and `logout`: a key by way of the browser, a pasted code or a pasted key; tried before it is kept.

What is said while somebody waits goes to stderr; the outcome is the command's result.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from claude_or.cli.folding import columns_of, folded
from claude_or.cli.left import key_state
from claude_or.cli.result import CommandResult, Finding
from claude_or.config.key import Key, cleaned
from claude_or.config.schema import Settings
from claude_or.errors import EXIT_KEY, ClaudeOrError
from claude_or.session.keys import forget_key, store_key
from claude_or.session.login import WAIT_S, Callback, Login, exchange

Way = Literal["browser", "paste", "key"]
KEYS_PAGE = "https://openrouter.ai/keys"


@dataclass(frozen=True, slots=True)
class Person:
    """Who sits there: how to show an address, ask for a line, ask for a secret, and say something."""

    open_page: Callable[[str], bool]
    ask: Callable[[str], str]
    ask_hidden: Callable[[str], str]
    say: Callable[[str], None]


def person() -> Person:
    """The one at this terminal."""
    return Person(_open_page, _ask, _ask_hidden, _say)


def login(
    way: Way, environ: Mapping[str, str], settings: Settings, who: Person, now: float, *, in_file: bool = False
) -> CommandResult:
    """Get a key, try it, keep it. Raises `ClaudeOrError`; nothing is kept then."""
    key = get_key(way, environ, settings, who)
    findings = tried(key, settings, now)
    place = store_key(environ, key.value, in_file=in_file)
    said = [*findings, Finding("ok", "login", f"{key.masked} is kept in {place}")]
    if environ.get("OPENROUTER_API_KEY", "").strip():
        said.append(
            Finding(
                "warn",
                "login",
                "OPENROUTER_API_KEY is set in this shell and goes first",
                fix="Unset it, there and in your shell's start-up files, to use the stored key.",
            )
        )
    return CommandResult("login", {"key": key.masked, "kept": place}, findings=tuple(said))


def get_key(way: Way, environ: Mapping[str, str], settings: Settings, who: Person) -> Key:
    """A key by the chosen way. Raises `ClaudeOrError`."""
    if way == "key":
        who.say(f"Make a key at {KEYS_PAGE} and paste it here; it is not shown.")
        return cleaned(who.ask_hidden("Key: "), "your input", KEYS_PAGE)
    under_way = Login.begin(settings.openrouter.base_url)
    if way == "paste" or _is_remote(environ):
        return _by_code(under_way, who)
    with Callback(under_way) as callback:
        page = under_way.page(callback.port)
        if not who.open_page(page):
            who.say("There is no browser here that could be opened.")
            return _by_code(under_way, who)
        who.say(
            f"Your browser opens OpenRouter. Allow claude-or there; this waits {WAIT_S / 60:g} minutes.\n"
            f"If no page comes up, open:\n\n  {page}\n\n"
            "If that browser is on another machine: Ctrl-C, then `claude-or login --paste`."
        )
        code = callback.wait()
    return cleaned(exchange(under_way, code), "the login")


def _by_code(under_way: Login, who: Person) -> Key:
    """The way that needs no browser on this machine: the page shows a code, and somebody brings it here."""
    who.say(f"Open this page on any machine, allow it, and copy the code that it shows:\n\n  {under_way.page(None)}\n")
    code = who.ask("Code: ").strip()
    if not code:
        raise ClaudeOrError("no code was given", hint="Try again, or `claude-or login --key`.", exit_code=EXIT_KEY)
    return cleaned(exchange(under_way, code), "the login")


def tried(key: Key, settings: Settings, now: float) -> list[Finding]:
    """What the host says about a key. Raises `ClaudeOrError` when it refuses it; a host that is silent is a warning."""
    status, findings = key_state(key, settings, now)
    if status in {401, 403}:
        raise ClaudeOrError(
            f"the host refuses this key (status {status})", hint=f"Make a new one at {KEYS_PAGE}.", exit_code=EXIT_KEY
        )
    return findings


def logout(environ: Mapping[str, str]) -> CommandResult:
    """Forget the stored key. The key itself stays valid at the host until it is deleted there."""
    place = forget_key(environ)
    if not place:
        return CommandResult("logout", {"removed": False}, summary="No key was stored.")
    note = Finding(
        "note", "logout", "the key still works until you delete it at the host", fix=f"Delete it at {KEYS_PAGE}."
    )
    said = Finding("ok", "logout", f"the key is removed from {place}")
    return CommandResult("logout", {"removed": True}, findings=(said, note))


def _is_remote(environ: Mapping[str, str]) -> bool:
    """Over SSH without a display, the browser would be on another machine, and so would 127.0.0.1."""
    return bool(environ.get("SSH_CONNECTION")) and not (environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _open_page(url: str) -> bool:
    """Whether a browser with a window was opened. One that draws on this terminal would take it from us."""
    if sys.platform == "linux" and not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")):
        return False
    import webbrowser

    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def _ask(words: str) -> str:
    sys.stderr.write(words)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        sys.stderr.write("\n")
        raise ClaudeOrError("no answer was given", hint="Run it on a terminal and answer.", exit_code=EXIT_KEY)
    return line.rstrip("\n")


def _ask_hidden(words: str) -> str:
    if not sys.stdin.isatty():
        return _ask("")
    import getpass

    try:
        return getpass.getpass(words, sys.stderr)
    except EOFError:
        sys.stderr.write("\n")
        raise ClaudeOrError("no key was given", hint="Try again.", exit_code=EXIT_KEY) from None


def _say(words: str) -> None:
    sys.stderr.write(folded(words, columns_of(sys.stderr)) + "\n")
    sys.stderr.flush()
