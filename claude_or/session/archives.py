"""Files out of archives, and the hashes that packages carry about themselves."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from typing import IO, Literal

CHUNK = 1 << 20


def unpack(
    content: IO[bytes], target: str, size: int, progress: Callable[[Literal["unpack"], int, int | None], None]
) -> str:
    """Copy a member of an archive to a file and onto the disk; its sha256."""

    digest = hashlib.sha256()
    done = 0
    with open(target, "wb") as out:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
            done += len(chunk)
            progress("unpack", done, size)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


def sha256_of(path: str, progress: Callable[[int], None] = lambda _done: None) -> str:
    """The sha256 of a file; `progress` is told the bytes read so far."""
    digest = hashlib.sha256()
    done = 0
    with open(path, "rb") as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress(done)
    return digest.hexdigest()


def has_integrity(archive: str, integrity: str) -> bool:
    """Check a Subresource Integrity string (`sha512-<base64>`); an index that tells none is trusted as npm itself did."""
    if not integrity:
        return True

    name, _, expected = integrity.split(maxsplit=1)[0].partition("-")
    digest = hashlib.new(name)
    with open(archive, "rb") as content:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
    if base64.b64encode(digest.digest()).decode() == expected:
        return True
    os.unlink(archive)
    return False


def in_record(record: str, member: str, sha256: str) -> bool:
    """Whether a wheel's RECORD names the file with this hash. Source: PyPA, binary distribution format."""

    written = base64.urlsafe_b64encode(bytes.fromhex(sha256)).rstrip(b"=").decode()
    return f"{member},sha256={written}," in record
