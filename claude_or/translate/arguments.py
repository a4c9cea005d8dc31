"""A tool call's arguments, out of pieces: where the one JSON object begins and ends, while it streams.

Models add white space, close twice, repeat themselves, wrap the object into a string, or break a line inside a string. The
client joins all pieces and parses them, so exactly one object may go out, and as early as possible.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_STRUCTURE = re.compile(r'["{}\[\]]')
_STRING_RUN = re.compile(r'(?:[^"\\\x00-\x1f]++|\\.)*+', re.DOTALL)
"""The longest stretch inside a string that needs no look: possessive, so that it neither recurses nor backtracks."""

_CUT_SCALAR = re.compile(r"[-+.\w]+$")
_NUMBER_BEGUN = re.compile(r"-?(?:0|[1-9]\d*)?(?:(?<=\d)\.\d*)?(?:(?<=\d)[eE][-+]?\d*)?", re.ASCII)
_WORDS = ("true", "false", "null")
_TRUNCATED = "Input data was truncated"
"""What msgspec says of a text that is right so far. A test holds it to that."""

_EMPTY_OBJECT = re.compile(r"\s*\{\s*")


class Arguments:
    """One call's arguments.

    `feed` takes pieces as the host sends them and returns what may be sent on: bytes of one JSON object, never more. Arguments
    that do not begin like an object (null, an object inside a string) are held until `settle`.
    `complete` is true once the object is closed; what comes then is kept as `surplus`.
    """

    __slots__ = ("_depth", "_escaped", "_in_string", "_sent", "closed_empty", "complete", "held", "surplus")

    def __init__(self) -> None:
        self.complete = False
        self.closed_empty = False
        """Whether `{}` came, and so far nothing else."""
        self.surplus = ""
        self.held = ""
        """Came, but not sent on: what may still turn out to be an empty object, or is no object."""
        self._sent: list[str] = []
        self._depth = 0
        self._in_string = False
        self._escaped = False

    @property
    def empty(self) -> bool:
        """Whether nothing of an object has come yet. A lone `{}` counts as nothing: real arguments may follow it."""
        return not self._sent and not self.held.strip()

    @property
    def text(self) -> str:
        """What was sent on so far."""
        return "".join(self._sent)

    def feed(self, piece: str) -> str:
        """The part of `piece` (with what was held before it) that can be sent on now."""
        if self._in_string and not self._escaped and _STRING_RUN.fullmatch(piece) is not None:
            # The one case that matters for speed: the middle of a long string.
            self._sent.append(piece)
            return piece
        if self.complete:
            if not piece.isspace():
                self.surplus += piece
            return ""
        if not self._sent:
            piece = self._begin(self.held + piece)
            if not piece:
                return ""
        ready = self._scan(piece)
        self._sent.append(ready)
        return ready

    def _begin(self, came: str) -> str:
        """What came so far, once it is more than an empty object; until then it is held."""
        while (start := _EMPTY_OBJECT.match(came)) is not None and came[start.end() : start.end() + 1] == "}":
            # Some hosts open every call with an empty object and then send the arguments.
            self.closed_empty = True
            came = came[start.end() + 1 :]
        self.held = came
        if start is None or start.end() == len(came):
            return ""
        self.held = ""
        return came.lstrip()

    def _scan(self, piece: str) -> str:
        """Follow the object's nesting through `piece`; returns it up to the object's end, with control characters escaped."""
        position, length = 0, len(piece)
        done: list[str] = []
        begin = 0
        while position < length:
            if self._escaped:
                self._escaped = False
                position += 1
            elif self._in_string:
                run = _STRING_RUN.match(piece, position)
                position = run.end() if run else position
                if position >= length:
                    break
                char = piece[position]
                position += 1
                if char == '"':
                    self._in_string = False
                elif char == "\\":
                    self._escaped = True
                else:
                    # A raw line break inside a string: JSON forbids it, and what is meant is plain.
                    done += (piece[begin : position - 1], f"\\u{ord(char):04x}")
                    begin = position
            else:
                mark = _STRUCTURE.search(piece, position)
                if mark is None:
                    break
                position = mark.end()
                self._step(mark.group())
                if self.complete:
                    self.surplus = piece[position:]
                    return "".join((*done, piece[begin:position]))
        return "".join((*done, piece[begin:])) if done else piece

    def _step(self, mark: str) -> None:
        if mark == '"':
            self._in_string = True
        elif mark in "{[":
            self._depth += 1
        else:
            self._depth -= 1
            self.complete = self._depth == 0

    def settle(self) -> str:
        """No piece will follow: what of the held ones can be sent after all. Arguments inside a string are taken out of it."""
        if self._sent or self.complete:
            return ""
        value = _parse(self.held)
        if isinstance(value, str) and isinstance(_parse(value), dict):
            self.held = ""
            return self.feed(value)
        if self.held.strip() in {"", "null"} or value in ({}, [], ""):
            self.held = ""
        return ""

    @property
    def is_begun(self) -> bool:
        """Whether what came is no whole object but may be the beginning of one, as when the length limit cut it off."""
        if self.complete:
            return False
        text = self.text
        if not text:
            return True
        if not self._in_string:
            scalar = _CUT_SCALAR.search(text)
            if scalar is not None:
                word = scalar.group()
                if not _NUMBER_BEGUN.fullmatch(word) and not any(name.startswith(word) for name in _WORDS):
                    return False
                text = text[: scalar.start()] + "0"
        try:
            msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            return str(error) == _TRUNCATED
        return True

    def valid(self) -> bool:
        """Whether what was sent on, and all that came, is `""` or one JSON object. Asked after `settle`."""
        if not self._sent:
            return not self.held
        return self.complete and isinstance(_parse(self.text), dict)

    def excess(self) -> str:
        """What came after the object's end and was left out: empty for white space and for a repetition of the object."""
        surplus = self.surplus.strip()
        return "" if surplus == self.text.strip() else surplus


def _parse(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    # Half a surrogate pair, written as an escape, is refused by msgspec and taken by every client.
    import json

    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> None:
    raise ValueError(name)
