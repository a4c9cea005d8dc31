"""Tool names and call ids, there and back.

The Messages API allows names of 128 characters and only simple ids; hosts allow names of 64 characters and send ids of any form.
Both ways are functions of the name or id alone, so that the same history always reads the same upstream and nothing has to
be remembered between requests:

* a name that hosts refuse becomes a prefix of it and a hash, looked up in this request's table on the way back;
* an id that the client would refuse, or that an earlier call of the conversation has, is packed into one that fits, and
  unpacked when it comes back;
* for hosts with ids of their own form, the client's id is hashed into one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import itertools
import re
from collections.abc import Iterable
from typing import Final

from claude_or.translate.profiles import IdStyle

MOST: Final = 64
"""Longest name that OpenAI, Azure and most other hosts take."""

_TAKEN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_ILLEGAL: Final = re.compile(r"[^A-Za-z0-9_-]")
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
_NINE: Final = re.compile(r"[A-Za-z0-9]{9}")
_PACKED: Final = "toolu_or_"
_AGAIN: Final = "\x1f"
"""Stands around the count in a packed id that came before."""
_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class ToolNames:
    """The names of one request's tools, and the ids of its calls, as client and host know them.

    `names` are all that the request knows, so that an alias never equals a real name. `ids` says what ids the host takes,
    `used_ids` are the calls' ids in the history as the client knows them (some hosts count from 0 in each answer).
    """

    def __init__(self, names: Iterable[str] = (), *, ids: IdStyle = "any", used_ids: Iterable[str] = ()) -> None:
        self._real = frozenset(names)
        self._used = frozenset(used_ids)
        self._ids: IdStyle = ids
        self._upstream: dict[str, str] = {}
        self._client: dict[str, str] = {}
        for name in sorted(self._real):
            self.upstream(name)

    def upstream(self, name: str) -> str:
        """The name as the host is told; it may be one that the request's tools do not hold (called long ago)."""
        known = self._upstream.get(name)
        if known is None:
            known = name if _TAKEN_NAME.fullmatch(name) and name not in self._client else self._alias(name)
            self._upstream[name] = known
            self._client[known] = name
        return known

    def _alias(self, name: str) -> str:
        stem = _ILLEGAL.sub("_", name)[: MOST - 12]
        if not stem[:1].isalpha() and stem[:1] != "_":
            stem = f"t{stem}"
        aliases = (f"{stem}_{_digest(name, salt)}" for salt in itertools.count())
        return next(alias for alias in aliases if alias not in self._real and alias not in self._client)

    def client(self, name: str) -> str:
        """The client's name for one that the host used; a name that nobody knows stays as it is."""
        return self._client.get(name, name)

    def is_known(self, name: str) -> bool:
        """Whether this is a whole name, as the host was told."""
        return name in self._client

    def client_id(self, call_id: str) -> str:
        """A host's call id in a form that the client takes, and unlike all earlier ones."""
        legal = _CLIENT_ID.fullmatch(call_id) and not call_id.startswith(_PACKED)
        known = call_id if legal else _pack(call_id)
        again = 1
        while known in self._used:
            known = _pack(f"{_AGAIN}{again}{_AGAIN}{call_id}")
            again += 1
        return known

    def upstream_id(self, call_id: str) -> str:
        """The id that the host is told for a call in the history: its own one back, where it was packed."""
        if call_id.startswith(_PACKED):
            call_id = _unpack(call_id[len(_PACKED) :]) or call_id
        if self._ids == "nine" and not _NINE.fullmatch(call_id):
            return _nine(call_id)
        return call_id


def _digest(name: str, salt: int) -> str:
    return hashlib.sha256(f"{salt or ''}{name}".encode("utf-8", "surrogatepass")).hexdigest()[:10]


def _pack(text: str) -> str:
    return _PACKED + base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii").rstrip("=")


def _unpack(packed: str) -> str:
    try:
        raw = base64.b64decode(packed + "=" * (-len(packed) % 4), altchars=b"-_", validate=True)
        text = raw.decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        return ""
    return text.split(_AGAIN, 2)[2] if text.startswith(_AGAIN) and text.count(_AGAIN) > 1 else text


def _nine(call_id: str) -> str:
    """Nine letters and digits that stand for any id."""
    number = int.from_bytes(hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    signs: list[str] = []
    for _ in range(9):
        number, rest = divmod(number, len(_ALPHABET))
        signs.append(_ALPHABET[rest])
    return "".join(signs)
