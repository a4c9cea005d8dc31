"""Reasoning that a model wants back, carried through the client inside the signature of a thinking block.

Hosts send `reasoning_details` in pieces and want the assembled array back, unchanged, with the next request; the client only
gives back a thinking block's text and signature, unchanged. So the signature holds what the text does not: every field of
every entry, except the stretches of text that the visible thinking already shows. Nothing is kept on this side, so it
survives a restart and a resumed session.

A signature is `PREFIX` + base64 of an 8-byte checksum and the zlib-packed JSON of a `_Parcel`; the same input gives the
same bytes. Sources: OpenRouter's documentation of reasoning tokens and the fixes in its own client.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

PREFIX: Final = "claude-or.1."
"""How a signature of ours begins. Another one came from another provider and means nothing here."""

LIMIT: Final = 512 * 1024
"""Longest signature, in characters. The client was seen to give back 1 MB unchanged, and not 6 MB."""

_MOST_UNPACKED: Final = 64 * 1024 * 1024
"""A signature comes back from outside: a packed bomb must not fill the memory."""

_REDACTED: Final = "[REDACTED]"
"""What hosts show in the plain text in place of encrypted reasoning. Nobody should see it."""

_TEXT_FIELD: Final = {"reasoning.text": "text", "reasoning.summary": "summary"}
"""Which field of an entry is readable, by its type."""

_UNNAMED: Final = "anthropic-claude-v1"
"""The format of an entry that names none, as it counts at the host. Its signature covers the text before it, so text that
comes after the signature belongs to a new entry; other formats sign along the way."""

_SHOWN: Final = "\x00shown"
"""Stands in place of a text that the visible thinking shows, as `{_SHOWN: [start, end]}`, in characters."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What one thinking block brought back.

    `details` is the array that the host wants again, `[]` when it sent an empty one, None when it sent none but only plain
    text. `text` is the readable reasoning, also where the client was not shown it. `slug` and `host` tell who wrote it.
    """

    details: list[dict[str, Any]] | None
    text: str
    slug: str
    host: str


class _Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """What is packed. `details` None means there was no array; `text` is the plain text the client was not shown."""

    family: str
    slug: str
    host: str
    shown: str
    """Digest of the visible thinking text that the entries point into; empty when none does."""
    details: list[dict[str, Any]] | None = None
    text: str | None = None


class ReasoningCarry:
    """Collects the reasoning of one answer and seals it into signatures, one per thinking block.

    Pieces are assembled as they come; `seal` packs all that came since the last seal. `losses` names what had to be left out.
    """

    def __init__(self, *, family: str, slug: str, host: str = "", limit: int = LIMIT) -> None:
        self.family = family
        self.slug = slug
        self.host = host
        self.losses: list[str] = []
        self._limit = limit
        self._details: list[dict[str, Any]] | None = None
        self._seen: set[tuple[str, str]] = set()
        self._sealed = False

    @property
    def pending(self) -> bool:
        """Whether entries wait for a signature."""
        return bool(self._details) and any(_has_substance(entry) for entry in self._details)

    @property
    def empty_array(self) -> bool:
        """Whether the host sent `reasoning_details: []` and nothing else: some models want to see that again."""
        return self._details is not None and not self._sealed and not self.pending

    def add(self, pieces: Iterable[dict[str, Any]]) -> str:
        """Take in pieces of `reasoning_details`; returns the readable text that they bring."""
        if self._details is None:
            self._details = []
        return "".join(_absorb(self._details, piece, self._seen) for piece in pieces)

    def seal(self, visible: str, plain: str = "") -> str:
        """The signature of a thinking block that shows `visible`. `plain` is its text when it came without details."""
        details = None if self._details is None else [entry for entry in self._details if _has_substance(entry)]
        self._details = None if details is None else []
        self._sealed = True
        packed = self._pack(details, visible, plain)
        if len(packed) <= self._limit:
            return packed
        kept = None if details is None else _newest(details, visible, self._limit)
        packed = self._pack(kept, visible, "")
        while kept and len(packed) > self._limit:
            kept = kept[1:]
            packed = self._pack(kept, visible, "")
        dropped = len(details or []) - len(kept or [])
        self.losses.append(
            f"reasoning: {dropped} of {len(details or [])} entries left out, over {self._limit} characters packed"
        )
        return packed

    def _pack(self, details: list[dict[str, Any]] | None, visible: str, plain: str) -> str:
        points, pointed = (None, False) if details is None else _point(details, visible)
        # Plain text that is shown needs no copy, but it must still be known to be whole when it comes back.
        unshown = plain if plain and plain != visible else None
        rests_on_text = pointed or (not details and unshown is None and bool(visible))
        parcel = _Parcel(
            family=self.family,
            slug=self.slug,
            host=self.host,
            shown=_digest(visible) if rests_on_text else "",
            details=points,
            text=unshown,
        )
        packed = zlib.compress(_encode(parcel), 6)
        return PREFIX + base64.b64encode(_checksum(packed) + packed).decode("ascii")


def pack(details: Sequence[dict[str, Any]], visible: str = "", *, family: str, slug: str, host: str = "") -> str:
    """The signature that holds `details` beside the visible thinking text, in one step."""
    carry = ReasoningCarry(family=family, slug=slug, host=host)
    carry.add(details)
    return carry.seal(visible)


def unpack(signature: str, visible: str, *, family: str) -> list[dict[str, Any]] | None:
    """The `reasoning_details` to send back; None when the signature is foreign, damaged or of another family."""
    carried = open_signature(signature, visible, family=family)
    return None if carried is None else carried.details


def open_signature(signature: str, visible: str, *, family: str) -> Carried | None:
    """All that a thinking block brings back; None when it is foreign, damaged, altered or of another family.

    `visible` is the block's thinking text as the client returned it.
    """
    parcel = _open(signature)
    if parcel is None or parcel.family != family:
        return None
    if parcel.shown and parcel.shown != _digest(visible):
        return None
    details = None if parcel.details is None else [_unpoint(entry, visible) for entry in parcel.details]
    text = parcel.text if parcel.text is not None else readable(details or []) or visible
    return Carried(details=details, text=text, slug=parcel.slug, host=parcel.host)


def assemble(pieces: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One array out of pieces in order: for joining what several thinking blocks of one turn brought back.

    A signature that came after its text had been closed finds its text again here, and repeated entries fall together.
    """
    details: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for piece in pieces:
        _absorb(details, piece, seen)
    return details


def readable(details: Iterable[dict[str, Any]]) -> str:
    """The readable text of assembled entries."""
    return "".join(_text_of(entry) for entry in details)


def _field(entry: dict[str, Any]) -> str | None:
    """The field with an entry's readable text, None for the kinds that have none."""
    kind = entry.get("type")
    return _TEXT_FIELD.get(kind) if isinstance(kind, str) else None


def _text_of(entry: dict[str, Any]) -> str:
    field = _field(entry)
    text = entry.get(field) if field else None
    return text if isinstance(text, str) and text != _REDACTED else ""


def _has_substance(entry: dict[str, Any]) -> bool:
    """Whether an entry holds more than labels: hosts open entries with an empty text that then stays empty."""
    field = _field(entry)
    return field is None or bool(entry.get(field) or entry.get("signature") or entry.get("data"))


def _absorb(details: list[dict[str, Any]], piece: dict[str, Any], seen: set[tuple[str, str]]) -> str:
    """Join `piece` to the entry it continues, or append it. Returns its readable text, empty for a repetition."""
    field = _field(piece)
    if field is None:
        names = {(f"{piece.get('type')} {name}", str(value)) for name in ("id", "data") if (value := piece.get(name))}
        if names & seen:
            return ""
        seen |= names
        details.append(dict(piece))
        return ""
    earlier = _continued(details, piece, field)
    if earlier is None:
        details.append(dict(piece))
    else:
        text, before = piece.get(field), earlier.get(field)
        if isinstance(text, str) and text:
            earlier[field] = before + text if isinstance(before, str) else text
        for name, value in piece.items():
            if name != field and value is not None and not earlier.get(name):
                # First non-empty signature, format and id.
                earlier[name] = value
    return _text_of(piece)


def _continued(details: list[dict[str, Any]], piece: dict[str, Any], field: str) -> dict[str, Any] | None:
    """The entry that a readable piece goes on with: the last one, or for a signature alone the last without one."""
    text = piece.get(field)
    if text == _REDACTED:
        return None
    has_text = bool(text)
    for entry in reversed(details):
        if _may_continue(entry, piece, has_text=has_text):
            return entry
        if has_text:
            return None
    return None


def _may_continue(entry: dict[str, Any], piece: dict[str, Any], *, has_text: bool) -> bool:
    if entry.get("type") != piece.get("type"):
        return False
    for name in ("index", "id"):
        ours, theirs = entry.get(name), piece.get(name)
        if ours is not None and theirs is not None and ours != theirs:
            return False
    if not entry.get("signature"):
        return True
    if has_text:
        return (entry.get("format") or _UNNAMED) != _UNNAMED
    return piece.get("signature") in (None, "", entry["signature"]) or entry.get("index") == piece.get("index")


def _point(details: list[dict[str, Any]], visible: str) -> tuple[list[dict[str, Any]], bool]:
    """The entries with each text that `visible` shows, in order, replaced by where it stands there."""
    position = 0
    pointed = False
    points: list[dict[str, Any]] = []
    for entry in details:
        text = _text_of(entry)
        field = _field(entry)
        if field and text and visible.startswith(text, position):
            place = {_SHOWN: [position, position + len(text)]}
            points.append({**entry, field: place})
            position += len(text)
            pointed = True
        else:
            points.append(entry)
    return points, pointed


def _unpoint(entry: dict[str, Any], visible: str) -> dict[str, Any]:
    field, place = _field(entry), _place(entry)
    if field is None or place is None:
        return entry
    return {**entry, field: visible[place[0] : place[1]]}


def _place(entry: dict[str, Any]) -> list[int] | None:
    field = _field(entry)
    value = entry.get(field) if field else None
    return value.get(_SHOWN) if isinstance(value, dict) else None


def _newest(details: list[dict[str, Any]], visible: str, limit: int) -> list[dict[str, Any]]:
    """The entries to keep when not all fit: what stands in the visible text anyway, then encrypted ones, newest first."""
    points, _ = _point(details, visible)
    sizes = [len(_encode(point)) for point in points]
    ranked = sorted(
        range(len(details)),
        key=lambda i: (_place(points[i]) is None, details[i].get("type") != "reasoning.encrypted", -i),
    )
    kept: set[int] = set()
    room = limit - 1024
    for i in ranked:
        if sizes[i] <= room:
            kept.add(i)
            room -= sizes[i]
    return [entry for i, entry in enumerate(details) if i in kept]


def _open(signature: str) -> _Parcel | None:
    if not signature.startswith(PREFIX):
        return None
    try:
        raw = base64.b64decode(signature[len(PREFIX) :], validate=True)
        packed = raw[8:]
        if _checksum(packed) != raw[:8]:
            return None
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(packed, _MOST_UNPACKED)
        return msgspec.json.decode(data, type=_Parcel)
    except (binascii.Error, ValueError, zlib.error, RecursionError):
        return None


def _checksum(packed: bytes) -> bytes:
    return hashlib.sha256(packed).digest()[:8]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
