"""What the user has approved: a project's file of servers runs nothing before, and nothing other than what was approved.

An approval is the SHA-256 of the file's path, its bytes and the command lines that came of it, so any change asks again. Kept in one
file of the state folder, by path; a repository cannot bring its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Final

from claude_or.config.folders import state_folder

FILE: Final = "mcp-trust.json"


def trust_file(environ: Mapping[str, str]) -> str:
    """Where approvals are kept."""
    return os.path.join(state_folder(environ), FILE)


def mark_of(path: str, content: bytes, commands: Iterable[tuple[str, ...]]) -> str:
    """What an approval of this file, with what came of it, is known by."""
    digest = hashlib.sha256()
    for part in (os.path.realpath(path).encode(), content, *("\0".join(command).encode() for command in commands)):
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.hexdigest()


def is_approved(environ: Mapping[str, str], path: str, mark: str) -> bool:
    """Whether the user approved exactly this."""
    return _read(environ).get(os.path.realpath(path)) == mark


def approve(environ: Mapping[str, str], path: str, mark: str) -> None:
    """Remember an approval. Raises `OSError`."""
    _write(environ, {**_read(environ), os.path.realpath(path): mark})


def revoke(environ: Mapping[str, str], path: str) -> bool:
    """Forget an approval; whether there was one. Raises `OSError`."""
    known = _read(environ)
    had = known.pop(os.path.realpath(path), None) is not None
    if had:
        _write(environ, known)
    return had


def _read(environ: Mapping[str, str]) -> dict[str, str]:
    import msgspec

    try:
        with open(trust_file(environ), "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                return {}
            return msgspec.json.decode(file.read(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}


def _write(environ: Mapping[str, str], known: Mapping[str, str]) -> None:
    import msgspec

    path = trust_file(environ)
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    half = f"{path}.{os.getpid()}"
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(known, order="sorted"), indent=2))
    os.replace(half, path)
