"""The conversation with one server, over all its lives.

The client must not notice that a server was started anew. So its `initialize` is kept and replayed, and with it the log level and
the subscriptions; the client's sessions stay valid; requests that come while nothing runs wait for the next life. What was
under way when a server ended is *not* sent again, because it may have taken effect: the client is told, and decides. Only pure
listings are asked a second time.

Ids are rewritten both ways, since several sessions share one server. `Link` has no clock of its own but the loop's, and does no I/O:
`attach` gives it somebody who sends, `receive` gets each line that the server wrote.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import Raw

from claude_or.log import get_log
from claude_or.mcp.child import NotReading
from claude_or.mcp.launch import McpLaunch
from claude_or.mcp.messages import (
    BAD_PARAMS,
    CALL_LOST,
    NOT_READY,
    Fields,
    Message,
    fields_of,
    line,
    notification,
    number_of,
    param,
    parse,
    raw,
    request,
    result,
    text_of,
    with_id,
    with_progress_token,
)
from claude_or.mcp.questions import Questions
from claude_or.mcp.sessions import LOG_MESSAGE, Exchange, Outbox, Session, Sessions
from claude_or.mcp.tools import Tools

REPEATABLE: Final = frozenset({"tools/list", "prompts/list", "resources/list", "resources/templates/list", "ping"})
"""Requests without any effect: asked again, once, when the server ended in the middle."""
CANCEL_LIMIT: Final = 1.0
"""Seconds that a cancelled request may still be answered."""
COMPARE_LIMIT: Final = 30.0

_log = get_log("mcp")


class Lost(Exception):
    """The server ended, or was never there, while we asked it something of our own. Caught by who asked."""


class Link:
    """One server's conversation.

    `why` says in one text why the server does not run, `dead` whether it will not by itself; `wanted` is called when a client
    initialises while it is dead, `stray` gets each line of the server that is no message.
    """

    def __init__(
        self,
        launch: McpLaunch,
        *,
        why: Callable[[], str],
        dead: Callable[[], bool],
        wanted: Callable[[], None],
        stray: Callable[[bytes], None] = lambda _line: None,
    ) -> None:
        self.launch = launch
        self.sessions = Sessions()
        self.tools = Tools(launch.allow, launch.deny)
        self.ready = asyncio.Event()
        self.refused = ""
        self.garbage = 0
        self._why, self._dead, self._wanted, self._stray = why, dead, wanted, stray
        self._send: Callable[[bytes], None] | None = None
        self._ids = itertools.count(1)
        self._greeted = False
        self._params: Raw | None = None
        self._result: Raw | None = None
        self._replay: dict[str, Fields] = {}
        """Requests that set a state in the server, by what they set."""
        self._pending: dict[int, Exchange] = {}
        self._waiting: list[Exchange] = []
        self._asked: dict[int, asyncio.Future[Fields]] = {}
        self.questions = Questions(self._ids, self._write, self._way_to_client)
        self._tasks: set[asyncio.Task[None]] = set()

    # The lives of the server

    @property
    def busy(self) -> bool:
        """Whether the server works on a request of a client."""
        return bool(self._pending)

    @property
    def introduced(self) -> bool:
        """Whether a client ever initialised, so that the next life can be made ready without one."""
        return self._params is not None

    @property
    def known(self) -> bool:
        """Whether the server ever answered `initialize`."""
        return self._result is not None

    def attach(self, send: Callable[[bytes], None]) -> None:
        """A new life began; `send` writes one message to it."""
        self._send = send
        self._greeted = False
        self.refused = ""
        if self._params is not None:
            self._introduce(self._params)

    def lost(self, why: str) -> None:
        """This life ended. What was under way fails with `why`."""
        self._send = None
        self.ready.clear()
        self.questions.forget()
        asked, self._asked = self._asked, {}
        for future in asked.values():
            if not future.done():
                future.set_exception(Lost(why))
                future.exception()  # it may be that nobody asks for it any more
        pending, self._pending = self._pending, {}
        for exchange in pending.values():
            if exchange.done:
                continue
            if exchange.method in REPEATABLE and not exchange.repeated:
                exchange.repeated = True
                self._hold(exchange)
            else:
                exchange.fail(CALL_LOST, why)

    def refuse(self, why: str) -> None:
        """There will be no further life for now: who waits for it is told."""
        waiting, self._waiting = self._waiting, []
        for exchange in waiting:
            exchange.fail(NOT_READY, why)

    def oversized(self) -> None:
        """The server wrote a line over the limit: one of the open requests will never be answered, and nobody knows which."""
        for number, exchange in list(self._pending.items()):
            del self._pending[number]
            exchange.fail(CALL_LOST, f"MCP server {self.launch.name} sent a message of over 64 MiB; it was dropped")

    async def close(self) -> None:
        """The session is over: every stream ends, every request is answered."""
        self.lost("the session is over")
        self.refuse("the session is over")
        for session in self.sessions.all():
            self.sessions.close(session)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _introduce(self, params: Raw) -> None:
        future = self._ask("initialize", params)
        future.add_done_callback(self._introduced)

    def _introduced(self, future: asyncio.Future[Fields]) -> None:
        if future.cancelled() or future.exception() is not None:
            return  # the next life is introduced anew
        answer = future.result()
        greetings = [exchange for exchange in self._waiting if exchange.method == "initialize"]
        self._waiting = [exchange for exchange in self._waiting if exchange.method != "initialize"]
        if "result" not in answer:
            self.refused = text_of(fields_of(answer["error"]).get("message"))
            if self._result is None:
                self._params = None
            for exchange in greetings:
                exchange.answer(answer)
            self.refuse(self._why())
            return
        again, self._result = self._result is not None, answer["result"]
        self.ready.set()
        _log.info("an MCP server is ready", server=self.launch.name, again=again)
        if again:
            self._greet()
        for exchange in greetings:
            exchange.answer(result(None, self._result))
        waiting, self._waiting = self._waiting, []
        for exchange in waiting:
            exchange.stop_clock()
            self._pass_on(exchange)
        if again and self.tools.were_listed:
            self._later(self._compare_tools())

    def _greet(self) -> None:
        """Tell the server that it may begin, and set in it what was set in an earlier life."""
        self._greeted = True
        self._write(notification("notifications/initialized"))
        for fields in self._replay.values():
            number = next(self._ids)
            self._asked[number] = asyncio.get_running_loop().create_future()
            self._write(with_id(fields, number))

    async def _compare_tools(self) -> None:
        """Tell the client when the new life has other tools."""
        pages: list[Fields] = []
        cursor = ""
        try:
            async with asyncio.timeout(COMPARE_LIMIT):
                while not pages or cursor:
                    answer = await self.ask("tools/list", {"cursor": cursor} if cursor else None)
                    pages.append(fields_of(answer.get("result", raw({}))))
                    cursor = text_of(pages[-1].get("nextCursor"))
        except (Lost, TimeoutError):
            return
        if self.tools.changed(self.tools.listing(pages)):
            _log.info("tools changed in a restart", server=self.launch.name, tools=self.tools.count)
            self._tell_all("notifications/tools/list_changed", notification("notifications/tools/list_changed"))

    # What clients say

    def request(self, exchange: Exchange) -> None:
        """Pass a request on, now or when the server is ready."""
        if exchange.method == "initialize":
            self._initialize(exchange)
        elif (
            exchange.method == "tools/call"
            and exchange.session is not None
            and not self.tools.may(text_of(param(exchange.fields, "name")))
        ):
            exchange.fail(
                BAD_PARAMS, f"this tool of MCP server {self.launch.name} is switched off in claude-or's settings"
            )
        elif self.ready.is_set():
            self._pass_on(exchange)
        elif self._dead():
            exchange.fail(NOT_READY, self._why())
        else:
            self._hold(exchange)

    def notify(self, session: Session, message: Message) -> None:
        """Pass a notification on, if it means something to this life of the server."""
        if message.method == "notifications/initialized":
            session.initialized = True
            if self.ready.is_set() and not self._greeted:
                self._greet()
        elif message.method == "notifications/cancelled":
            self._cancel(session, message.fields)
        elif self.ready.is_set():
            self._write(message.fields)

    def drop(self, exchange: Exchange) -> None:
        """The client does not wait any more."""
        if exchange in self._waiting:
            self._waiting.remove(exchange)
        if self._pending.pop(exchange.wire_id, None) is not None:
            self._write(exchange.cancellation(None))
        exchange.drop()

    def _initialize(self, exchange: Exchange) -> None:
        params = exchange.fields.get("params", raw({}))
        if self._dead():
            self._wanted()
        if self.ready.is_set() and self._result is not None:
            # A client that redials. What it says of itself is the same; the server must not hear it twice.
            exchange.answer(result(None, self._result))
            return
        self._hold(exchange)
        if self._params is None:
            self._params = params
            if self._send is not None:
                self._introduce(params)

    def _hold(self, exchange: Exchange) -> None:
        self._waiting.append(exchange)
        limit = self.launch.start_timeout
        exchange.stop_clock()
        exchange.timer = asyncio.get_running_loop().call_later(limit, self._give_up, exchange)

    def _give_up(self, exchange: Exchange) -> None:
        if exchange in self._waiting:
            self._waiting.remove(exchange)
        exchange.fail(NOT_READY, f"{self._why()} (waited {self.launch.start_timeout:g} s)")

    def _pass_on(self, exchange: Exchange) -> None:
        if not self._greeted:
            self._greet()
        exchange.wire_id = next(self._ids)
        fields = with_id(exchange.fields, exchange.wire_id)
        if exchange.token is not None:
            fields = with_progress_token(fields, exchange.wire_id)
        self._pending[exchange.wire_id] = exchange
        self._remember(exchange)
        if not self._write(fields):
            self._pending.pop(exchange.wire_id, None)
            exchange.fail(NOT_READY, f"MCP server {self.launch.name} does not read what it is sent")
        self.questions.deliver_waiting()

    def _remember(self, exchange: Exchange) -> None:
        uri = text_of(param(exchange.fields, "uri"))
        if exchange.method == "logging/setLevel":
            self._replay["level"] = exchange.fields
        elif exchange.method == "resources/subscribe":
            self._replay[f"uri {uri}"] = exchange.fields
        elif exchange.method == "resources/unsubscribe":
            self._replay.pop(f"uri {uri}", None)

    def _cancel(self, session: Session, fields: Fields) -> None:
        wanted = bytes(param(fields, "requestId") or b"")
        for exchange in [*self._pending.values(), *self._waiting]:
            if exchange.session is not session or bytes(exchange.id) != wanted or exchange.method == "initialize":
                continue
            if exchange in self._waiting:
                self._waiting.remove(exchange)
                exchange.fail(CALL_LOST, "cancelled")
                return
            self._write(exchange.cancellation(param(fields, "reason")))
            exchange.timer = asyncio.get_running_loop().call_later(CANCEL_LIMIT, self._end_cancelled, exchange)
            return

    def _end_cancelled(self, exchange: Exchange) -> None:
        self._pending.pop(exchange.wire_id, None)
        exchange.fail(CALL_LOST, "cancelled")

    # What the server says

    def receive(self, data: bytes) -> None:
        """One line of the server's stdout."""
        messages = parse(data)
        if not messages and data.strip():
            self.garbage += 1
            self._stray(data)
            self._fail_garbled(data)
            if self.garbage == 1:
                _log.warning("an MCP server writes to stdout what is no message", server=self.launch.name)
        for message in messages:
            if message.kind == "response":
                self._take_response(message)
            elif message.kind == "request":
                self.questions.take(message)
            else:
                self._take_notification(message)

    def _fail_garbled(self, data: bytes) -> None:
        """What was meant as an answer but is no JSON (`NaN` in it, say) ends its request: no other answer will come."""
        id_ = re.search(rb'"id"\s*:\s*"?(\d+)"?\s*[,}]', data[:200] + data[-200:]) if b'"jsonrpc"' in data else None
        exchange = self._pending.pop(int(id_[1]), None) if id_ else None
        if exchange is not None:
            exchange.fail(CALL_LOST, f"MCP server {self.launch.name} sent an answer that is not valid JSON")

    def _take_response(self, message: Message) -> None:
        number = number_of(message.id) or 0
        future = self._asked.pop(number, None)
        if future is not None:
            if not future.done():
                future.set_result(message.fields)
            return
        exchange = self._pending.pop(number, None)
        if exchange is None:
            return  # cancelled meanwhile
        fields = message.fields
        if exchange.method == "tools/list":
            fields = self.tools.page(fields, first=param(exchange.fields, "cursor") is None)
        exchange.answer(fields)

    def _take_notification(self, message: Message) -> None:
        fields = message.fields
        if message.method == "notifications/progress":
            exchange = self._pending.get(number_of(param(fields, "progressToken")) or 0)
            if exchange is not None:
                exchange.progress(fields)
        elif message.method == "notifications/cancelled":
            self.questions.withdraw(fields)
        elif message.method == LOG_MESSAGE:
            listener = self.sessions.listener()
            outbox = listener.outbox if listener else self._way_to_client()
            if outbox is not None:
                outbox.put(LOG_MESSAGE, line(fields))
        else:
            self._tell_all(message.method, fields)

    def _way_to_client(self) -> Outbox | None:
        """The newest open request, else the newest stream."""
        for exchange in reversed(self._pending.values()):
            if not exchange.done and exchange.session is not None:
                return exchange.outbox
        listener = self.sessions.listener()
        return listener.outbox if listener else None

    def _tell_all(self, method: str, fields: Fields) -> None:
        for session in self.sessions.all():
            session.outbox.put(method, line(fields))

    # Questions of our own

    async def ask(self, method: str, params: Raw | dict[str, Any] | None = None) -> Fields:
        """Ask the server something ourselves; its response. Raises `Lost`."""
        if not self.ready.is_set():
            raise Lost(self._why())
        return await self._ask(method, params)

    def _ask(self, method: str, params: Raw | dict[str, Any] | None) -> asyncio.Future[Fields]:
        number = next(self._ids)
        future: asyncio.Future[Fields] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self._write(request(number, method, params))
        return future

    def _write(self, fields: Fields) -> bool:
        if self._send is None:
            return True  # its end is told to whoever waits
        try:
            self._send(line(fields))
        except NotReading:
            return False
        return True

    def _later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
