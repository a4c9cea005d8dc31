"""The body of an answer as chat chunks, whatever form it came in.

A host asked for a stream may answer with one, with one JSON object, or with a page of HTML from something in between; the content
type is no guide (streams come as `text/plain`, too). The first byte tells: events begin with a field name or a colon, objects with a
brace, pages with an angle bracket.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from claude_or.wire.openai import UNREADABLE, ChatChunk, decode_chunk, decode_completion
from claude_or.wire.sse import COMMENT, Frame, FrameTooLarge, SseDecoder

EVENT_BYTES: Final = 64 * 1024 * 1024
"""Longest single event or object. A model's longest answer is far below; it only bounds what a broken host can make us keep."""

_BLANK: Final = b" \t\r\n\xef\xbb\xbf"
_UNREADABLE: Final = ChatChunk(error=UNREADABLE)


class ChunkReader:
    """Bytes in, chunks out. `seen` becomes true with the first chunk: comments and headers are only signs of life."""

    __slots__ = ("_decoder", "_whole", "ended", "seen")

    def __init__(self) -> None:
        self._decoder: SseDecoder | None = None
        self._whole = bytearray()
        """What came before its form was known, and all of an object."""
        self.seen = False
        self.ended = False
        """The host has said that nothing follows."""

    def feed(self, data: bytes) -> list[ChatChunk]:
        """The chunks that these bytes complete."""
        if self._decoder is None:
            self._whole += data
            first = bytes(self._whole.lstrip(_BLANK)[:1])
            if not first:
                return self._too_long()
            if first == b"<":
                return self._told([_UNREADABLE])
            if first == b"{":
                return self._too_long()
            self._decoder = SseDecoder(limit=EVENT_BYTES)
            data = bytes(self._whole)
            self._whole.clear()
        try:
            frames = self._decoder.feed(data)
        except FrameTooLarge:
            return self._told([_UNREADABLE])
        return self._told(_chunks(frames))

    def close(self) -> list[ChatChunk]:
        """The chunks of what came last; a whole object is read here."""
        if self._decoder is not None:
            frames = self._decoder.close()
            return self._told(_chunks(frames))
        whole = bytes(self._whole).lstrip(_BLANK)
        self._whole.clear()
        return self._told(decode_completion(whole)) if whole else []

    def _too_long(self) -> list[ChatChunk]:
        if len(self._whole) <= EVENT_BYTES:
            return []
        self._whole.clear()
        return self._told([_UNREADABLE])

    def _told(self, chunks: list[ChatChunk]) -> list[ChatChunk]:
        if chunks:
            self.seen = True
            self.ended = self.ended or any(chunk.done for chunk in chunks)
        return chunks


def _chunks(frames: Sequence[Frame]) -> list[ChatChunk]:
    """What the frames say. Some hosts keep a stream alive by events without data instead of comments."""
    return [decode_chunk(frame.data) for frame in frames if frame.event != COMMENT and frame.data.strip()]
