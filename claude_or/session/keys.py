"""The key of the default host, from wherever the user keeps it: a command, the environment, the system's keyring, a file.

In this order, because whoever configured a command meant it, and a variable set in this shell is nearer than what was stored
once. What `login` stored is noted in one small file (0600) in the data folder: the key itself, or that the keyring has it. So a session
without a stored key never loads the keyring's library, whose import costs more than the whole launch.
"""

from __future__ import annotations

import os

from claude_or.config.key import COMMAND_SOURCE, Key, cleaned, find_key
from claude_or.errors import EXIT_KEY, ClaudeOrError

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from claude_or.config.schema import Settings

FILE = "key.json"
SERVICE = "claude-or"
ACCOUNT = "openrouter"
COMMAND_LIMIT_S = 30.0
"""A password manager may ask for a fingerprint."""


def key_of(environ: Mapping[str, str], settings: Settings, cwd: str = "") -> Key:
    """The key. Raises `ClaudeOrError` (`EXIT_KEY`) when there is none, naming what was looked at."""
    if settings.openrouter.key_command:
        return _from_command(settings.openrouter.key_command, environ)
    try:
        return find_key(environ, settings)
    except ClaudeOrError:
        stored = stored_key(environ)
        if stored is not None:
            return stored
        told = dotenv_note(cwd)
        if told:
            raise ClaudeOrError(
                f"no OpenRouter API key; {told}",
                hint="Run `claude-or login`, or export the variable in your shell.",
                exit_code=EXIT_KEY,
            ) from None
        raise


def stored_key(environ: Mapping[str, str]) -> Key | None:
    """The key that `login` stored; None when it stored none. Raises `ClaudeOrError` when it is lost or unreadable."""
    note = _note(environ)
    match note.get("kept"):
        case "file":
            return cleaned(str(note.get("key", "")), _shown_file(environ))
        case "keyring":
            value = _ask_keyring("get")
            if not value:
                raise ClaudeOrError(
                    "the key that `claude-or login` stored is no longer in the system's keyring",
                    hint="Run `claude-or login` again.",
                    exit_code=EXIT_KEY,
                )
            return cleaned(value, "the system's keyring")
        case _:
            return None


def store_key(environ: Mapping[str, str], value: str, *, in_file: bool = False) -> str:
    """Keep a key; where it is kept now, for people. Raises `ClaudeOrError` when nothing can keep it."""
    place = f"{_shown_file(environ)}, readable by you alone"
    if not in_file:
        try:
            _ask_keyring("set", value)
        except ClaudeOrError:
            place += ", because this system has no keyring that could be used"
        else:
            _write_note(environ, {"kept": "keyring"})
            return "the system's keyring"
    _write_note(environ, {"kept": "file", "key": value})
    return place


def forget_key(environ: Mapping[str, str]) -> str:
    """Remove what `login` stored; where it was, empty when nothing was stored. Raises `ClaudeOrError`."""
    note = _note(environ)
    if note.get("kept") == "keyring":
        _ask_keyring("delete")
    try:
        os.unlink(note_path(environ))
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise ClaudeOrError(
            f"{_shown_file(environ)} cannot be removed: {error.strerror}",
            hint="Remove it by hand.",
            exit_code=EXIT_KEY,
        ) from None
    return "the system's keyring" if note.get("kept") == "keyring" else _shown_file(environ)


def is_stored(environ: Mapping[str, str]) -> bool:
    """Whether `login` stored a key. One `stat`."""
    return os.path.exists(note_path(environ))


def note_path(environ: Mapping[str, str]) -> str:
    """The small file that says where the stored key is."""
    from claude_or.config.folders import data_folder

    return os.path.join(data_folder(environ), FILE)


def dotenv_note(cwd: str) -> str:
    """A sentence about a key in the folder's `.env`, which is not read; empty when there is none."""
    try:
        with open(os.path.join(cwd or ".", ".env"), encoding="utf-8", errors="replace") as file:
            names = (
                line.lstrip().removeprefix("export ").partition("=")[0].strip()
                for line in file.read(65_536).split("\n")
            )
            found = "OPENROUTER_API_KEY" in names
    except OSError:
        return ""
    return "the one in .env is not read, because a project's file must not choose whose key is used" if found else ""


def _from_command(command: str, environ: Mapping[str, str]) -> Key:
    """The first line that the user's own command prints. What it prints on stderr is the user's to see."""
    import subprocess

    try:
        done = subprocess.run(  # noqa: S602 - the user's own command line, from the user's own file
            command,
            shell=True,
            env=dict(environ),
            stdout=subprocess.PIPE,
            text=True,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        why = (
            f"gave nothing within {COMMAND_LIMIT_S:g} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
        )
        raise _command_failed(why) from None
    line = done.stdout.strip().split("\n")[0]
    if done.returncode or not line:
        raise _command_failed(f"ended with code {done.returncode}" if done.returncode else "printed nothing")
    return cleaned(line, COMMAND_SOURCE)


def _command_failed(why: str) -> ClaudeOrError:
    return ClaudeOrError(
        f"openrouter.key_command {why}",
        hint="Run the command in your shell; it must print the key on its first line.",
        exit_code=EXIT_KEY,
    )


def _ask_keyring(what: str, value: str = "") -> str:
    """One call of the system's keyring. Raises `ClaudeOrError` when there is none that works."""
    try:
        import keyring
        from keyring.backends import fail
        from keyring.errors import KeyringError, PasswordDeleteError
    except ImportError as error:
        raise _no_keyring(str(error)) from None
    try:
        if isinstance(keyring.get_keyring(), fail.Keyring):
            raise _no_keyring("there is none")
        if what == "set":
            keyring.set_password(SERVICE, ACCOUNT, value)
        elif what == "delete":
            keyring.delete_password(SERVICE, ACCOUNT)
        else:
            return keyring.get_password(SERVICE, ACCOUNT) or ""
    except PasswordDeleteError:
        return ""
    except (KeyringError, OSError, RuntimeError) as error:
        raise _no_keyring(str(error) or type(error).__name__) from None
    return ""


def _no_keyring(why: str) -> ClaudeOrError:
    return ClaudeOrError(
        f"the system's keyring cannot be used: {why}",
        hint="Unlock it, or run `claude-or login --in-file` to keep the key in a file that only you can read.",
        exit_code=EXIT_KEY,
    )


def _note(environ: Mapping[str, str]) -> dict[str, Any]:
    import json

    try:
        with open(note_path(environ), encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise ClaudeOrError(
            f"{_shown_file(environ)} cannot be read: {error}",
            hint="Run `claude-or login` again, or remove the file.",
            exit_code=EXIT_KEY,
        ) from None
    return found if isinstance(found, dict) else {}


def _write_note(environ: Mapping[str, str], note: Mapping[str, str]) -> None:
    import json

    path = note_path(environ)
    half = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(dict(note), file)
        os.replace(half, path)
    except OSError as error:
        raise ClaudeOrError(
            f"the key cannot be stored in {_shown_file(environ)}: {error.strerror}",
            hint="Export OPENROUTER_API_KEY in your shell instead.",
            exit_code=EXIT_KEY,
        ) from None


def _shown_file(environ: Mapping[str, str]) -> str:
    from claude_or.config.folders import short

    return short(note_path(environ), environ)
