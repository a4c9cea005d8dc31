"""Which call a piece of a tool call belongs to.

By the schema every piece has the call's index, and the first one its id and name. In the field each of the three is missing,
late, repeated or reused somewhere, so identity is decided by what cannot be meant otherwise:

=====================================================  ================================================================
a piece with                                           belongs to
=====================================================  ================================================================
an index not seen before                               a new call; the call with its id if it has an id seen before, no name
an index seen before                                   that call, unless it is *another* one (below)
no index, an id seen before                            the call with that id
no index otherwise                                     the last call, unless it is another one
=====================================================  ================================================================

Another one: a new name; a new id with a name (but for a call of the same name in the middle of its arguments, where
hosts make up an id per piece); a new id alone or a repeated name, when the call's arguments are already whole.
"""

from __future__ import annotations

from collections.abc import Callable

from claude_or.translate.arguments import Arguments
from claude_or.wire.openai import FunctionPiece, ToolPiece

_NO_FUNCTION = FunctionPiece()


class Call:
    """One call as it grows. `ready` holds arguments that may be sent on but were not yet."""

    __slots__ = ("arguments", "id", "name", "opened", "queued", "ready")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments = Arguments()
        self.ready: list[str] = []
        self.queued = False
        self.opened = False


class CallBook:
    """All calls of one answer. `is_tool` tells whether a name is whole, for hosts that send names in pieces."""

    def __init__(self, is_tool: Callable[[str], bool] | None = None) -> None:
        self.calls: list[Call] = []
        self._by_index: dict[int, Call] = {}
        self._by_id: dict[str, Call] = {}
        self._is_tool = is_tool

    def add(self, piece: ToolPiece) -> Call:
        """The call that `piece` belongs to, with the piece taken in."""
        function = piece.function or _NO_FUNCTION
        call = self._by_index.get(piece.index) if piece.index is not None else None
        if call is None or piece.id or function.name:
            call = self._place(call, piece, function)
        if function.arguments:
            ready = call.arguments.feed(function.arguments)
            if ready:
                call.ready.append(ready)
        return call

    def _place(self, call: Call | None, piece: ToolPiece, function: FunctionPiece) -> Call:
        """The slow way, for pieces that say more than index and arguments."""
        own_id, name = piece.id or "", function.name or ""
        if call is None and own_id and (piece.index is None or not name):
            call = self._by_id.get(own_id)
        if call is None and piece.index is None and self.calls:
            call = self.calls[-1]
        if call is None or self._is_another(call, piece, own_id, name):
            call = Call()
            self.calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
        if own_id:
            self._by_id[own_id] = call
            call.id = call.id or own_id
        if name and name != call.name:
            call.name += name
        return call

    def _is_another(self, call: Call, piece: ToolPiece, own_id: str, name: str) -> bool:
        arguments = call.arguments
        if name and call.name and name != call.name:
            return not self._is_rest_of_name(call, name)
        if own_id and call.id and own_id != call.id:
            if name:
                return piece.index is None or arguments.complete or arguments.empty
            return arguments.complete
        if name and name == call.name and arguments.complete:
            brought = ((piece.function or _NO_FUNCTION).arguments or "").strip()
            return bool(brought) and brought != arguments.text.strip()
        return False

    def _is_rest_of_name(self, call: Call, name: str) -> bool:
        if self._is_tool is None or not call.arguments.empty or self._is_tool(call.name):
            return False
        return self._is_tool(call.name + name)

    def settle(self) -> list[str]:
        """No piece will follow. `calls` is left with the named ones; returns what came as arguments of the others.

        A nameless call whose arguments complete the named call before it is joined to it: some hosts lose index and id.
        """
        nameless: list[str] = []
        named: list[Call] = []
        for call in self.calls:
            if call.name:
                named.append(call)
                continue
            came = ("".join(call.ready) + call.arguments.held).strip()
            if not (came and named and _completes(named[-1], came)):
                nameless.append(came)
        for call in named:
            ready = call.arguments.settle()
            if ready:
                call.ready.append(ready)
        self.calls = named
        return nameless


def _completes(call: Call, rest: str) -> bool:
    """Whether `rest` is the missing end of the call's arguments; if so it is taken in."""
    if call.arguments.complete or call.arguments.empty:
        return False
    trial = Arguments()
    trial.feed(call.arguments.text + call.arguments.held + rest)
    if not trial.valid() or trial.surplus:
        return False
    call.ready.append(call.arguments.feed(rest))
    return True
