"""The host's listing: fetched with or without the key, kept in the cache folder, and good without network.

    the cache of this host → fetched anew when it is older than a day → the facts that came with the program

With a key `GET /models/user` is asked, which knows what the account may use; a host or an account without it is asked for
`GET /models`. The cache belongs to one host: another address starts anew.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from claude_or.routing.catalog import Catalog, dump, load, parse_models
from claude_or.upstream.windows import FILE as WINDOWS_FILE
from claude_or.upstream.windows import kept_of, replace_file, write_windows

FILE = "models.json"
STALE_AFTER_S = 24 * 3600.0
BUNDLED_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bundled.json")
"""Written by `python -m tests.snapshot`."""

_NO_USER_LISTING = {401, 403, 404, 405}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer to a GET. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


Get = Callable[[str, Mapping[str, str]], Awaitable[Answer]]
"""GET a path below the host's address, with further headers. Raises `Unreachable`."""


Cause = Literal["", "dns", "tls", "proxy", "connection", "silence"]
"""Which part of the way failed: the name, the certificate, the network's proxy, the connection, or nobody answered."""


class Unreachable(Exception):
    """No usable answer; the message is one clause for people, such as `no answer within 2 s`."""

    def __init__(self, text: str, cause: Cause = "") -> None:
        super().__init__(text)
        self.cause: Cause = cause


def read_catalog(folder: str, base_url: str) -> Catalog | None:
    """The cached listing of this host; None when there is none, or a damaged one."""
    try:
        with open(os.path.join(folder, FILE), "rb") as file:
            catalog = load(file.read())
    except OSError:
        return None
    return catalog if catalog and catalog.base_url == base_url else None


def bundled() -> Catalog | None:
    """The facts that came with the program, for when nothing else is known; None when the installation lost them."""
    try:
        with open(BUNDLED_FILE, "rb") as file:
            return load(file.read())
    except OSError:
        return None


def best_known(folder: str, base_url: str) -> Catalog | None:
    """The cached listing of this host, else the facts that came with the program, whose names are the same at each address."""
    return read_catalog(folder, base_url) or bundled()


def write_catalog(folder: str, catalog: Catalog) -> None:
    """Replace the cached listing and the windows beside it. Raises `OSError`."""
    replace_file(os.path.join(folder, FILE), dump(catalog))
    write_windows(os.path.join(folder, WINDOWS_FILE), catalog.base_url, kept_of(catalog.models))


def is_stale(catalog: Catalog | None, now: float) -> bool:
    """Whether it is time to ask again; a listing from the future is not trusted either."""
    return catalog is None or catalog.is_bundled or not 0 <= now - catalog.fetched_at <= STALE_AFTER_S


async def refresh(get: Get, folder: str, base_url: str, now: float, *, with_key: bool) -> Catalog:
    """Fetch the listing and keep it. A cache that cannot be written is no failure: the listing is good without.

    Raises `Unreachable`, also for an answer that is no listing.
    """
    catalog = await fetch(get, read_catalog(folder, base_url), base_url, now, with_key=with_key)
    try:
        write_catalog(folder, catalog)
    except OSError:
        pass
    return catalog


async def fetch(get: Get, known: Catalog | None, base_url: str, now: float, *, with_key: bool) -> Catalog:
    """Fetch the listing, sparing its body when the host says that `known` is still true. Raises `Unreachable`."""
    paths = ("/models/user", "/models") if with_key else ("/models",)
    answer, path = Answer(0), ""
    for path in paths:
        asked_before = known if known and known.etag and known.source == path else None
        answer = await get(path, {"if-none-match": asked_before.etag} if asked_before else {})
        if answer.status == 304 and asked_before:
            return Catalog(
                asked_before.models,
                fetched_at=now,
                skipped=asked_before.skipped,
                etag=asked_before.etag,
                base_url=base_url,
                source=path,
            )
        if answer.status not in _NO_USER_LISTING:
            break
    if answer.status != 200:
        raise Unreachable(f"GET {path} was answered with status {answer.status}")
    try:
        catalog = parse_models(answer.body, now, etag=answer.headers.get("etag", ""), base_url=base_url, source=path)
    except ValueError:
        raise Unreachable(f"GET {path} was answered with something that is no list of models") from None
    if not catalog.models:
        raise Unreachable(f"GET {path} was answered with an empty list")
    return catalog
