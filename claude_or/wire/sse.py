"""Server-sent events, split on bytes.

Decoding happens before any text is decoded, and lines end only at CR, LF or CRLF: JSON may hold U+2028, U+0085 and form
feeds, at which `str.splitlines` would cut. Sources: the WHATWG HTML standard, section 9.2.6, and `docs/` for what hosts do.
"""

from __future__ import annotations

import msgspec


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One whole server-sent event.

    `event` is the event name (`"message"` when the stream named none, as the standard says), `data` the joined data
    lines without their line ends, `raw` the bytes the frame came from, blank line included, so that it can be forwarded
    byte for byte. A comment (keep-alive) is a frame with the event name `COMMENT` and its text as data.
    """

    event: str
    data: bytes
    raw: bytes


COMMENT = ":"
"""Event name of a comment line. No stream can name an event so: a line that begins with a colon is a comment."""
