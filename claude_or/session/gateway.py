"""Everything that lives and dies with a session apart from the child: host, listing, reply chain, proxy, log.

Opened in the order in which a request needs it, so that the proxy serves as early as possible; what can wait (the log file, a
fresh listing, a warm connection) follows in the background. Closed in reverse, each step within its bound.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

from claude_or import log
from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import Settings
from claude_or.errors import EXIT_PROXY, ClaudeOrError
from claude_or.proxy.app import make_app, serving
from claude_or.proxy.house import House
from claude_or.reply.assemble import Parts, assemble
from claude_or.reply.meter import Meter
from claude_or.reply.sight import Album
from claude_or.routing.ask import Plan, Replier
from claude_or.routing.catalog import Catalog
from claude_or.routing.expiry import expiring
from claude_or.session.books import Books
from claude_or.store.descriptions import FOLDER as DESCRIPTIONS
from claude_or.store.descriptions import Descriptions
from claude_or.translate.web_search import SearchFailed
from claude_or.upstream.catalogue import Answer, Unreachable, best_known, is_stale, refresh
from claude_or.upstream.hosts import Hosts
from claude_or.upstream.search import CallTool, search_by

if TYPE_CHECKING:
    import socket

    from claude_or.mcp.fleet import Fleet
    from claude_or.session.reload import ConfigWatch
    from claude_or.upstream.openrouter import OpenRouter

BACKGROUND_BOUND = 1.0
"""Seconds that background work gets to end when the session does."""
LOG_AFTER = 2.0
"""Seconds until the log file is opened; what is logged before waits in memory."""

MCP_TROUBLES = frozenset({"degraded", "backoff", "failed"})
"""States of a server that the status line tells."""

_log = log.get_log("session")


class Gateway:
    """One proxy with all that stands behind it. An async context manager; `tally` and `house` are good to read afterwards.

    `key` is OpenRouter's, empty when there is none; None means the demo: no host, a script answers, working in `scratch`.
    `environ` is where the other hosts' keys are, `watch` tells of a changed configuration. `fleet` holds the MCP servers, if
    there are any.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        key: str | None,
        listener: socket.socket,
        token: str,
        control_token: str,
        cache_folder: str,
        log_path: str,
        on_fatal: Callable[[BaseException], None],
        scratch: str = "",
        fleet: Fleet | None = None,
        environ: Mapping[str, str] | None = None,
        watch: ConfigWatch | None = None,
        ledger_path: str = "",
        project: str = "",
        status_path: str = "",
    ) -> None:
        self.settings = settings
        self.log_path = log_path
        self.books = Books(
            settings=settings,
            ledger_path=ledger_path,
            session=os.path.splitext(os.path.basename(log_path))[0],
            project=project,
            status_path=status_path,
            get=self._get if key is not None else None,
            troubles=self._troubles,
        )
        self.tally = self.books.tally
        self._key = key
        self._listener = listener
        self._cache_folder = cache_folder
        self._scratch = scratch
        self._catalog = best_known(cache_folder, settings.openrouter.base_url) if key is not None else None
        self._stack = AsyncExitStack()
        self._hosts = Hosts(settings, key or "", environ or {})
        self._watch = watch
        self.fleet = fleet
        known = (key, token, control_token, *(fleet.secrets if fleet else ()))
        self._secrets = tuple(secret for secret in known if secret)
        self._descriptions = Descriptions(os.path.join(cache_folder, DESCRIPTIONS), settings.sight.keep_days)
        self._parts = self._chain_parts(environ or {})
        # As it was at the start, when the user was told: an edit in the middle would write down what nobody expects.
        self._content = settings.log.content
        log.keep_secret(*self._secrets)
        self._background: set[asyncio.Task[None]] = set()
        self._listing: asyncio.Task[None] | None = None
        self.house = self._house(token, control_token, on_fatal)

    def _chain_parts(self, environ: Mapping[str, str]) -> Parts:
        """One for the whole session: what was learnt of a route in one request is known in the next."""
        return Parts(
            hosts=self._hosts.opened,
            missing=self._hosts.missing,
            settings=lambda: self.settings,
            catalog=lambda: self._catalog,
            charge=self.books.charge,
            budget=self.books.budget,
            search=search_by(lambda: self.settings.web_search, environ, _tools_of(self.fleet) if self.fleet else None),
            album=Album(self._descriptions if self.settings.sight.keep_days else None),
        )

    def _house(self, token: str, control_token: str, on_fatal: Callable[[BaseException], None]) -> House:
        return House(
            token=token,
            control_token=control_token,
            settings=lambda: self.settings,
            catalog=lambda: self._catalog,
            replier_for=self._replier_for,
            tally=self.tally,
            scales=self._parts.scales,
            on_fatal=on_fatal,
            servers=self.fleet,
            status=self._status,
            before_request=self._follow_config,
            budget=self.books.budget,
        )

    async def __aenter__(self) -> Self:
        try:
            if self._key is not None:
                await self._stack.enter_async_context(self._hosts)
            await self._stack.enter_async_context(serving(make_app(self.house), self._listener))
            if self.fleet is not None:
                # Entered last, so that it ends first: an open stream would keep the server from closing.
                await self._stack.enter_async_context(self.fleet)
        except OSError as error:
            await self._stack.aclose()
            raise ClaudeOrError(
                f"the proxy could not be started: {error}",
                hint="Try again; `claude-or doctor` checks the set-up.",
                exit_code=EXIT_PROXY,
            ) from error
        self._later(self._open_log())
        if (host := self._host) is not None:
            self._listing = self._later(self._refresh_listing(host))
        if self._key is not None:
            self._later(self.books.open())
            self._later(self.books.settle_old_bills())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._background:
            task.cancel()
        if self._background:
            await asyncio.wait(self._background, timeout=BACKGROUND_BOUND)
        secrets = (*self._secrets, *self._hosts.secrets)
        await self._stack.aclose()
        self.books.close()
        total = self.tally.total
        _log.info("session over", calls=total.calls, failures=total.failures, cost=str(total.cost))
        with suppress(OSError):
            if not log.is_configured():
                log.flush(self.log_path, level=self.settings.log_level, secrets=secrets)
        log.close()

    def _replier_for(self, plan: Plan) -> Replier:
        chain = self._chain_for(plan)
        if not self._content:
            return chain
        from claude_or.reply.overheard import Overheard

        return Overheard(inner=chain)

    def _chain_for(self, plan: Plan) -> Replier:
        if self._key is None:
            from claude_or.upstream.scripted import ScriptedReplier  # the demo's alone

            leaf = ScriptedReplier(folder=self._scratch)
            return Meter(inner=leaf, route=plan.routes[0], charge=self.books.charge)
        return assemble(plan, self._parts)

    def guarded_by(self, guard: Callable[[str], None]) -> None:
        """Tell the guardian of processes that hosts start; `guard` writes it a line."""
        self._hosts.guard = guard

    @property
    def _host(self) -> OpenRouter | None:
        return self._hosts.opened.get(DEFAULT_HOST)

    @property
    def config_trouble(self) -> str:
        """Why the newest edit of the configuration is not in use; empty when it is."""
        return self._watch.trouble if self._watch else ""

    async def _follow_config(self) -> None:
        """Before each request: what the user changed meanwhile holds from here on."""
        settings = await self._watch.changed() if self._watch else None
        if settings is None:
            return
        before, self.settings = self.settings, settings
        await self._hosts.follow(settings)
        if settings.openrouter.base_url != before.openrouter.base_url:
            # The listing belongs to one host.
            self._catalog = best_known(self._cache_folder, settings.openrouter.base_url)

    def _status(self) -> dict[str, Any]:
        return {
            "troubled_routes": self._parts.breakers.told(),
            "config_trouble": self.config_trouble,
            **self.books.told(),
        }

    async def until_listed(self) -> None:
        """Wait until the listing of models is there, or could not be had."""
        if self._listing is not None:
            await asyncio.wait({self._listing})

    async def _get(self, path: str, headers: Mapping[str, str]) -> Answer:
        if self._host is None:
            raise Unreachable("there is no host")
        return await self._host.get(path, headers)

    def _troubles(self) -> list[str]:
        """What the status line should say beside the figures."""
        edits = ["configuration not applied"] if self.config_trouble else []
        resting = [
            f"{told['slug'].rpartition('/')[2]} rests" for told in self._parts.breakers.told() if told["resting"]
        ]
        servers = self.house.servers.told() if self.house.servers else []
        return (
            edits
            + resting
            + [f"MCP {told['name']} {told['state']}" for told in servers if told["state"] in MCP_TROUBLES]
        )

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _open_log(self) -> None:
        """The log's library costs a quarter of a second, so a session that is over before this never loads it."""
        await asyncio.sleep(LOG_AFTER)
        await asyncio.to_thread(__import__, "structlog")  # in a thread: open streams must not stall meanwhile
        try:
            log.configure(self.log_path, level=self.settings.log_level, secrets=(*self._secrets, *self._hosts.secrets))
        except OSError:
            self._content = False  # it would wait in memory for ever
            self.log_path = ""  # a disk that is full or read-only costs us the log, not the session
            return
        removed = await asyncio.to_thread(log.prune, os.path.dirname(self.log_path), keep=self.log_path)
        if removed:
            _log.info("old logs removed", files=len(removed))
        if count := await asyncio.to_thread(self._descriptions.prune):
            _log.info("old descriptions removed", files=count)

    async def _refresh_listing(self, host: OpenRouter) -> None:
        """A listing older than a day is fetched anew, for prices and limits; the launch after this one knows the windows."""
        now = time.time()
        if not is_stale(self._catalog, now):
            self._tell_expiries(now)
            await host.warm()
            return

        try:
            catalog: Catalog = await refresh(
                self._get, self._cache_folder, self.settings.openrouter.base_url, now, with_key=True
            )
        except Unreachable as error:
            known = self._catalog
            _log.warning("listing not refreshed", reason=str(error), facts_of=known.day if known else None)
        else:
            self._catalog = catalog
            _log.info("listing refreshed", models=len(catalog.models))
        self._tell_expiries(now)

    def _tell_expiries(self, now: float) -> None:
        """Name the models in use that are about to go away, in the log and below the summary."""
        for text in expiring(self.settings, self._catalog, now):
            _log.warning("model goes away", model=text)
            self.books.warnings.append(f"{text}: choose its successor in time")


def _tools_of(fleet: Fleet) -> CallTool:
    """The tools of this session's MCP servers, for the search."""
    from claude_or.mcp.calling import CallFailed

    async def call(server: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return await fleet.call_tool(server, tool, arguments)
        except CallFailed as failed:
            raise SearchFailed("unavailable", str(failed)) from None

    return call
