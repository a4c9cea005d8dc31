"""Server-sent events, split on bytes.

Decoding happens before any text is decoded, and lines end only at CR, LF or CRLF: JSON may hold U+2028, U+0085 and form
feeds, at which `str.splitlines` would cut. The stream is cut into *blocks*, which end at a blank line, and a block becomes at
most one event; what has no data is dropped, and apart from it the raw bytes of all frames, joined, are the stream again.
Source: the WHATWG HTML standard, section "server-sent events", with one deviation (see `SseDecoder.close`).
"""

from __future__ import annotations

import re

import msgspec


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One whole server-sent event.

    `event` is the event name (`"message"` when the stream named none, as the standard says), `data` the joined data
    lines without their line ends, `raw` the bytes the frame came from, blank line included, so that it can be forwarded
    byte for byte. A comment (keep-alive) is a frame with the event name `COMMENT` and its text as data; it is one only when
    it stands before or between events, a comment inside an event stays part of that event's `raw`.
    """

    event: str
    data: bytes
    raw: bytes


COMMENT = ":"
"""Event name of a comment line. No stream can name an event so: a line that begins with a colon is a comment."""

DONE = b"[DONE]"
"""The data with which chat-completion streams end."""


class FrameTooLarge(Exception):
    """More bytes without a blank line than the decoder was allowed to keep."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an event of more than {limit} bytes")
        self.limit = limit


_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
# The end of a block. A CR at the very end of what has come may be half of a CRLF, so `\n\r` waits for one more byte.
_BLANK_LINE = re.compile(rb"\n\n|\n\r\n|\n\r(?=[^\n])|\r\r")
_NAMED = re.compile(rb"event: ([a-z_]+)\ndata: ([^\n]*)")
_DELTA = b"event: content_block_delta\ndata: "
_DELTA_LENGTH = len(_DELTA)
_BLANK_LINE_REACH = 2
"""How many bytes of an unfinished block may already belong to the blank line that ends it."""


class SseDecoder:
    """Bytes as they come in, cut anywhere, out as whole frames.

    Time is linear in the bytes fed, also for one line of many megabytes in small pieces. `limit` bounds what is kept
    while a block is incomplete, in bytes; None means no bound.
    """

    __slots__ = ("_crs", "_limit", "_pending", "_started")

    def __init__(self, *, limit: int | None = None) -> None:
        self._pending = bytearray()
        self._limit = limit
        self._crs = False
        """True once a CR was seen: from then on blank lines are searched for in all their spellings."""
        self._started = False

    def feed(self, chunk: bytes) -> list[Frame]:
        """Frames that `chunk` completes, in order. Raises `FrameTooLarge`."""
        if not self._crs and b"\r" in chunk:
            self._crs = True
        pending = self._pending
        if pending:
            reach = max(len(pending) - _BLANK_LINE_REACH, 0)
            pending += chunk
            if not self._has_blank_line(reach):
                self._check_limit()
                return []
            chunk = bytes(pending)
            pending.clear()
        frames: list[Frame] = []
        if self._crs:
            rest = self._read_any(chunk, frames)
        else:
            *blocks, rest = chunk.split(b"\n\n")
            for block in blocks:
                # The shapes that matter for speed: a single data line, the event that comes by the thousand, any other event's name
                # and data.
                if block.startswith(b"data: ") and b"\n" not in block:
                    frames.append(Frame("message", block[6:], block + b"\n\n"))
                    self._started = True
                elif block.startswith(_DELTA) and block.find(b"\n", _DELTA_LENGTH) < 0:
                    frames.append(Frame("content_block_delta", block[_DELTA_LENGTH:], block + b"\n\n"))
                    self._started = True
                elif (named := _NAMED.fullmatch(block)) is not None:
                    name, data = named.groups()
                    frames.append(Frame(name.decode("ascii"), data, block + b"\n\n"))
                    self._started = True
                else:
                    self._read(block, b"\n\n", frames)
        pending += rest
        self._check_limit()
        return frames

    def close(self) -> list[Frame]:
        """The last event of a stream that ended without its blank line.

        The standard discards it. Hosts exist that close right after their last event, so it counts when its data is whole
        (JSON, or `[DONE]`), and its `raw` is completed by the missing line ends. Half an event stays discarded.
        """
        rest = bytes(self._pending)
        self._pending.clear()
        frames: list[Frame] = []
        text = rest.rstrip(b"\r\n")
        end = _LINE_END.search(rest)
        line_end = end.group() if end else b"\n"
        if text:
            self._read(text, line_end * 2, frames)
        return [frame for frame in frames if frame.event == COMMENT or _is_whole(frame.data)]

    def _has_blank_line(self, start: int) -> bool:
        if self._crs:
            return _BLANK_LINE.search(self._pending, start) is not None
        return self._pending.find(b"\n\n", start) >= 0

    def _read_any(self, chunk: bytes, frames: list[Frame]) -> bytes:
        """Read the whole blocks of a chunk with any line ends; returns the bytes after the last one."""
        start = 0
        for blank in _BLANK_LINE.finditer(chunk):
            self._read(chunk[start : blank.start()], blank.group(), frames)
            start = blank.end()
        return chunk[start:]

    def _read(self, block: bytes, blank: bytes, frames: list[Frame]) -> None:
        """Read one block of any shape into at most one comment and one event."""
        raw = block + blank
        if not self._started:
            self._started = True
            block = block.removeprefix(_BOM)
        event, data, comments, fields = "", list[bytes](), list[bytes](), False
        comments_end = 0
        offset = len(raw) - len(blank) - len(block)
        for line, end in _lines(block):
            if line[:1] == b":":
                if not fields:
                    comments.append(line[1:].removeprefix(b" "))
                    comments_end = offset + end
                continue
            if not line:
                continue
            fields = True
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                data.append(value)
            elif name == b"event":
                event = value.decode("utf-8", "replace")
        if comments:
            # Only comments: the blank line is theirs too.
            cut = comments_end if fields else len(raw)
            frames.append(Frame(COMMENT, b"\n".join(comments), raw[:cut]))
            raw = raw[cut:]
        if data:
            frames.append(Frame(event or "message", b"\n".join(data), raw))

    def _check_limit(self) -> None:
        if self._limit is not None and len(self._pending) > self._limit:
            raise FrameTooLarge(self._limit)


def _lines(block: bytes) -> list[tuple[bytes, int]]:
    """The lines of a block, each with the offset behind its line end."""
    lines: list[tuple[bytes, int]] = []
    start = 0
    for end in _LINE_END.finditer(block):
        lines.append((block[start : end.start()], end.end()))
        start = end.end()
    lines.append((block[start:], len(block)))
    return lines


def _is_whole(data: bytes) -> bool:
    if data.strip() == DONE:
        return True
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
