"""Which tools the client may see and call, and whether they changed while the server was away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fnmatch import fnmatchcase

import msgspec
from msgspec import Raw

from claude_or.mcp.messages import Fields, fields_of, raw, text_of


class Tools:
    """The tools of one server, as the client was told of them.

    `allow` None means all; both lists are patterns as in `fnmatch`, and `deny` wins.
    """

    def __init__(self, allow: tuple[str, ...] | None, deny: tuple[str, ...]) -> None:
        self.count: int | None = None
        self._allow = allow
        self._deny = deny
        self._listed = Listing()
        self._known = ""

    def may(self, name: str) -> bool:
        """Whether the client may use a tool."""
        if any(fnmatchcase(name, pattern) for pattern in self._deny):
            return False
        return self._allow is None or any(fnmatchcase(name, pattern) for pattern in self._allow)

    def page(self, fields: Fields, *, first: bool) -> Fields:
        """An answer to the client's `tools/list`, without the tools it may not see; remembered for `changed`."""
        result = fields_of(fields["result"]) if "result" in fields else {}
        if "tools" not in result:
            return fields
        if first:
            self._listed = Listing()
        allowed = self._listed.add(result, self.may)
        if not self._listed.more:
            self._known, self.count = self._listed.mark(), self._listed.count
        return {**fields, "result": raw({**result, "tools": allowed})}

    @property
    def were_listed(self) -> bool:
        """Whether the client knows them at all."""
        return bool(self._known)

    def changed(self, listing: Listing) -> bool:
        """Whether a complete listing is another one than the client knows; it counts as known from now on."""
        mark = listing.mark()
        before, self._known, self.count = self._known, mark, listing.count
        return mark != before

    def listing(self, pages: list[Fields]) -> Listing:
        """The listing in the `result` fields of all pages."""
        found = Listing()
        for page in pages:
            found.add(page, self.may)
        return found


class Listing:
    """What `tools/list` gave so far, over one or more pages. `more` tells whether pages are missing."""

    def __init__(self) -> None:
        self.count = 0
        self.more = ""
        self._marks: list[bytes] = []

    def add(self, result: Fields, may: Callable[[str], bool]) -> list[Raw]:
        """Add a page; its tools that `may` be used."""
        self.more = text_of(result.get("nextCursor"))
        try:
            tools = msgspec.json.decode(result.get("tools", Raw(b"[]")), type=list[Raw])
        except (msgspec.MsgspecError, ValueError):
            return []
        allowed = [tool for tool in tools if may(text_of(fields_of(tool).get("name")))]
        self.count += len(allowed)
        self._marks.extend(hashlib.sha256(tool).digest() for tool in allowed)
        return allowed

    def mark(self) -> str:
        """The same for the same tools, in whatever order."""
        return hashlib.sha256(b"".join(sorted(self._marks)) or b"none").hexdigest()
