"""What could not be carried from a Messages request to a chat request.

Nothing may be left out in silence: what is dropped, clamped or told in other words is listed here, once per kind, so that it can
be logged once and shown beside the request.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class Loss(msgspec.Struct, frozen=True):
    """One kind of loss. `where` is the path of its first occurrence, `detail` says what became of it, `count` how often."""

    kind: str
    where: str
    detail: str
    count: int = 1


class Losses:
    """The losses of one request, in the order in which their kinds were met first."""

    def __init__(self) -> None:
        self._by_kind: dict[str, Loss] = {}

    def add(self, kind: str, where: str, detail: str) -> None:
        """List a loss; a further one of the same kind only counts."""
        earlier = self._by_kind.get(kind)
        if earlier is None:
            self._by_kind[kind] = Loss(kind, where, detail)
        else:
            self._by_kind[kind] = Loss(kind, earlier.where, earlier.detail, earlier.count + 1)

    def __iter__(self) -> Iterator[Loss]:
        return iter(self._by_kind.values())

    def __len__(self) -> int:
        return len(self._by_kind)

    def __contains__(self, kind: object) -> bool:
        return kind in self._by_kind
