"""The line in which text, reasoning and calls stand when they come mixed: see the head of `stream.py`.

At its front is at most one call, the head. What comes while the head's arguments are incomplete waits behind it, in order.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from claude_or.translate.blocks import BlockWriter
from claude_or.translate.calls import Call


class _Text(msgspec.Struct):
    text: str


class _Thought(msgspec.Struct):
    text: str
    plain: bool


class Line:
    """Puts what comes in order and gives it to the writer. `announce` tells a call's id and name as the client sees them."""

    __slots__ = ("_announce", "_blank", "_head", "_waiting", "_writer")

    def __init__(self, writer: BlockWriter, announce: Callable[[Call], tuple[str, str]]) -> None:
        self._writer = writer
        self._announce = announce
        self._head: Call | None = None
        self._waiting: list[Call | _Text | _Thought] = []
        self._blank = ""
        """Blank text that came where no text block is open."""

    def text(self, text: str) -> None:
        """Text, of which blank text alone opens no block."""
        if self._is_free():
            self._write_text(text)
        else:
            self._waiting.append(_Text(text))

    def think(self, text: str, *, plain: bool) -> None:
        """Readable reasoning."""
        if self._is_free():
            self._write_thought(text, plain=plain)
        else:
            self._waiting.append(_Thought(text, plain))

    def begin(self, call: Call) -> None:
        """A call whose name is known; afterwards `go_on` tells that it grew."""
        if self._is_free():
            self._head = call
        else:
            self._waiting.append(call)

    def go_on(self, call: Call) -> None:
        """More arguments of a call are ready."""
        if call is self._head:
            if call.ready:
                self._write_call(call)
            if self._waiting and call.arguments.complete:
                self._advance()

    def finish(self, *, cut: bool) -> list[Call]:
        """Write all that waits: nothing will come any more, every call is as whole as it will ever be.

        With `cut`, a call of which nothing was written is left out and returned: run without its arguments it would do harm.
        """
        left_out: list[Call] = []
        waiting = [*([self._head] if self._head else []), *self._waiting]
        self._head, self._waiting = None, []
        for item in waiting:
            if not isinstance(item, Call):
                self._write_waiting(item)
            elif cut and not item.opened and not item.ready and not item.arguments.closed_empty:
                left_out.append(item)
            else:
                self._write_call(item)
        return left_out

    def _is_free(self) -> bool:
        """Whether what comes now may be written: there is no head, or it is done with."""
        if self._head is None:
            return True
        if not self._head.arguments.complete:
            return False
        self._head = None
        return True

    def _advance(self) -> None:
        """The head is whole: write what waits behind it, up to and into the next call that is not."""
        waiting, self._waiting = self._waiting, []
        for position, item in enumerate(waiting):
            if not self._is_free():
                self._waiting = waiting[position:]
                return
            if not isinstance(item, Call):
                self._write_waiting(item)
                continue
            self._head = item
            if item.ready:
                self._write_call(item)

    def _write_waiting(self, item: _Text | _Thought) -> None:
        if isinstance(item, _Text):
            self._write_text(item.text)
        else:
            self._write_thought(item.text, plain=item.plain)

    def _write_text(self, text: str) -> None:
        if self._writer.open != "text":
            text = self._blank + text
            if not text or text.isspace():
                self._blank = text
                return
            self._blank = ""
        if text:
            self._writer.text(text)

    def _write_thought(self, text: str, *, plain: bool) -> None:
        self._blank = ""
        self._writer.think(text, plain=plain)

    def _write_call(self, call: Call) -> None:
        """Write what a call has ready. While it streams this waits for its first argument, so that a name may come in pieces."""
        if not call.opened:
            call.opened = True
            self._blank = ""
            self._writer.open_tool(*self._announce(call))
        for ready in call.ready:
            self._writer.arguments(ready)
        call.ready.clear()
