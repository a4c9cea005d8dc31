"""The body of an answer as frames of a Messages stream, whatever form it came in.

The counterpart of `chunks.py`: a host asked for a stream may answer with one, with one JSON object, or with a page of HTML from
something in between. The first byte tells. What cannot be read becomes a frame with an error, so that a reader has one thing to
look at.
"""

from __future__ import annotations

from typing import Final

import msgspec

from claude_or.upstream.chunks import EVENT_BYTES
from claude_or.wire.events import frame_of
from claude_or.wire.messages import frames_of, read_event
from claude_or.wire.openai import UNREADABLE
from claude_or.wire.sse import COMMENT, Frame, FrameTooLarge, SseDecoder

_BLANK: Final = b" \t\r\n\xef\xbb\xbf"
_UNREADABLE: Final = frame_of({"type": "error", "error": UNREADABLE})


class FrameReader:
    """Bytes in, frames out. `seen` becomes true with the first event: comments and headers are only signs of life."""

    __slots__ = ("_decoder", "_whole", "seen")

    def __init__(self) -> None:
        self._decoder: SseDecoder | None = None
        self._whole = bytearray()
        """What came before its form was known, and all of an object."""
        self.seen = False

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete."""
        if self._decoder is None:
            self._whole += data
            first = bytes(self._whole.lstrip(_BLANK)[:1])
            if first in {b"", b"{"} and len(self._whole) <= EVENT_BYTES:
                return []
            if first in {b"", b"{", b"<"}:
                self._whole.clear()
                self.seen = True
                return [_UNREADABLE]
            self._decoder = SseDecoder(limit=EVENT_BYTES)
            data = bytes(self._whole)
            self._whole.clear()
        try:
            return self._told(self._decoder.feed(data))
        except FrameTooLarge:
            return self._told([_UNREADABLE])

    def close(self) -> list[Frame]:
        """The frames of what came last; a whole object is read here."""
        if self._decoder is not None:
            return self._told(self._decoder.close())
        whole = bytes(self._whole).lstrip(_BLANK)
        self._whole.clear()
        return self._told(_told_by(whole)) if whole else []

    def _told(self, frames: list[Frame]) -> list[Frame]:
        # Some hosts keep a stream alive by events without data instead of comments.
        told = [frame for frame in frames if frame.event == COMMENT or frame.data.strip()]
        self.seen = self.seen or any(frame.event != COMMENT for frame in told)
        return told


def _told_by(whole: bytes) -> list[Frame]:
    """An object that came instead of a stream: a message, or an error."""
    value, _ = read_event(whole)
    if isinstance(value, dict) and value.get("error") is not None:
        return [frame_of({"type": "error", "error": value["error"]})]
    if not isinstance(value, dict) or not isinstance(value.get("content"), list):
        return [_UNREADABLE]
    try:
        return frames_of(value)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return [_UNREADABLE]
