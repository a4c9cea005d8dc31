"""The whole gateway against a host that keeps an invoice: what the ledger says is what the host bills."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from claude_or.config.schema import Budget, Fallbacks, Limits, Models, Provider, ProviderModel, Settings, WebSearch
from claude_or.session.gateway import Gateway
from claude_or.store.sums import Sum, grouped, total
from claude_or.store.tables import open_ledger
from tests.fakes.openrouter import OpenRouterFake
from tests.fakes.plain_host import plain_host
from tests.fakes.replies import Pause, Reply, Reset, Text, Tokens, error, text, tool_call
from tests.fakes.searching import SearchFake
from tests.support.ledger import looked_into, reading

KEY = "sk-or-v1-a-key-of-the-tests"
MODEL = "z-ai/glm-5.3"
CLOSE = Decimal("0.000001")


def prompt(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 500, "stream": True, "messages": [{"role": "user", "content": "hi"}], **more}


class Door:
    """The gateway as a client and our other commands see it."""

    def __init__(self, gate: Gateway, port: int, client: aiohttp.ClientSession) -> None:
        self.gate, self.port, self.client = gate, port, client

    async def post(self, body: dict[str, Any], path: str = "/v1/messages", token: str = "token") -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.client.post(url, json=body, headers={"authorization": f"Bearer {token}"}) as answer:
            return answer.status, await answer.text()

    async def post_and_leave(self, body: dict[str, Any]) -> None:
        """Read the beginning of an answer, then go."""
        url = f"http://127.0.0.1:{self.port}/v1/messages"
        async with self.client.post(url, json=body, headers={"authorization": "Bearer token"}) as answer:
            await answer.content.readany()
            answer.close()


@asynccontextmanager
async def opened(host: OpenRouterFake, folder: Path, **more: Any) -> AsyncGenerator[Door]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    port = listener.getsockname()[1]
    from claude_or.config.schema import OpenRouter

    settings = Settings(
        models=Models(big=MODEL, small=MODEL),
        openrouter=OpenRouter(base_url=host.base_url),
        limits=Limits(attempts=3),
        **more,
    )
    gate = Gateway(
        settings=settings,
        key=KEY,
        listener=listener,
        token="token",
        control_token="control",
        cache_folder=str(folder / "cache"),
        log_path=str(folder / "logs" / f"session-{port}.jsonl"),
        on_fatal=lambda error: pytest.fail(str(error)),
        ledger_path=str(folder / "ledger.sqlite"),
        project="/project",
        status_path=str(folder / "status.json"),
    )
    gate.books.bill_after = (0.02, 0.05, 0.1)
    async with gate, aiohttp.ClientSession() as client:
        await gate.until_listed()
        yield Door(gate, port, client)


def ledger(folder: Path) -> Sum:
    return total(reading(folder / "ledger.sqlite"))


def holds(folder: Path) -> int:
    """How many calls in flight the file knows of."""
    connection = looked_into(folder / "ledger.sqlite")
    return connection.execute("SELECT count(*) FROM holds").fetchone()[0] if connection else 0


async def until(true: Any) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


async def test_the_ledger_equals_the_invoice_under_cancels_retries_and_failures(tmp_path: Path):
    long_answer = Reply([Text("word " * 200), Pause(20), Text("end")], usage=Tokens(prompt=10_000, completion=900))
    replies = [
        Reply([Text("one")], usage=Tokens(prompt=5_000, completion=70, cached=4_000)),
        error(529, "busy"),
        Reply([Text("two")], usage=Tokens(prompt=6_000, completion=71, cached=5_000)),
        long_answer,
        Reply([Text("three")], usage=Tokens(prompt=7_000, completion=72)),
        Reply([Text("cut"), Reset()], usage=Tokens(prompt=800, completion=3)),
        error(400, "no"),
        Reply([Text("free of charge")], usage=Tokens(cost=Decimal(0))),
    ]
    async with OpenRouterFake(replies, key=KEY) as host:
        async with opened(host, tmp_path) as door:
            assert (await door.post(prompt()))[0] == 200
            assert (await door.post(prompt()))[0] == 200
            await door.post_and_leave(prompt())
            assert (await door.post(prompt(stream=False)))[0] == 200
            assert "error" in (await door.post(prompt()))[1]
            assert (await door.post(prompt()))[0] == 400
            assert (await door.post(prompt()))[0] == 200
            await until(lambda: not door.gate.tally.total.unknown)
            counted = door.gate.tally.total
        found = ledger(tmp_path)
        assert abs(found.cost - host.invoice()) < CLOSE
        assert found.cost == counted.cost
        assert (found.calls, found.retried, found.cancelled, found.unknown) == (8, 1, 1, 0)


async def test_the_ledger_equals_the_invoice_also_when_another_model_serves(tmp_path: Path):
    def brain(ask: Any, _n: int) -> Reply:
        if ask.model == MODEL:
            return error(503, "no supplier")
        return Reply([Text("from the other")], usage=Tokens(prompt=3_000, completion=90))

    async with OpenRouterFake(brain, key=KEY) as host:
        async with opened(host, tmp_path, fallbacks=Fallbacks(big=["openai/gpt-6.1-sol"])) as door:
            status, text_ = await door.post(prompt(model="opus"))
            assert (status, "message_stop" in text_, "error" in text_) == (200, True, False)
        connection = reading(tmp_path / "ledger.sqlite")
        rows = connection.execute("SELECT slug, outcome, cost IS NULL FROM calls ORDER BY id").fetchall()
        assert rows[-1] == ("openai/gpt-6.1-sol", "answered", 0)
        assert {row[:2] for row in rows[:-1]} == {(MODEL, "retried")}
        assert ledger(tmp_path).cost == host.invoice() > 0


async def test_a_bill_that_came_too_late_is_asked_for_by_the_next_session(tmp_path: Path):
    reply = Reply([Text("word " * 50), Pause(20), Text("end")], usage=Tokens(prompt=10_000, completion=900))
    async with OpenRouterFake([reply], key=KEY) as host:
        host.others["/generation"] = error(404, "not yet")
        async with opened(host, tmp_path) as door:
            await door.post_and_leave(prompt())
            await until(lambda: door.gate.tally.total.calls)
        assert ledger(tmp_path).unknown == 1
        del host.others["/generation"]
        async with opened(host, tmp_path) as door:
            await door.gate.books.settle_old_bills(after=0)
        found = ledger(tmp_path)
        assert (found.unknown, found.cost) == (0, host.invoice())


async def test_twenty_subagents_at_once_stay_below_the_cap(tmp_path: Path):
    reply = Reply([Text("x"), Pause(0.05)], usage=Tokens(prompt=30, completion=8_000))
    async with OpenRouterFake(lambda _ask, _n: reply, key=KEY) as host:
        async with opened(host, tmp_path) as door:
            await door.post(prompt(max_tokens=8_192))
        each = host.invoice()
        cap = each * Decimal("10.5")
        async with opened(host, tmp_path, budget=Budget(session=float(cap))) as door:
            answers = await asyncio.gather(*(door.post(prompt(max_tokens=8_192)) for _ in range(20)))
            refused = [body for status, body in answers if status == 402]
            spent = host.invoice() - each
            assert cap - 2 * each <= spent <= cap + each
            assert spent == door.gate.tally.total.cost
            assert refused
            assert {status for status, _ in answers} == {200, 402}
            told = json.loads(refused[0])["error"]
            assert told["type"] == "billing_error"
            assert "claude-or budget raise" in told["message"]
            assert len(host.asks) - 1 + len(refused) == 20
            status, raised = await door.post({"by": "1"}, "/control/budget", "control")
            assert (status, Decimal(json.loads(raised)["limit"])) == (200, Decimal(str(float(cap))) + 1)
            assert (await door.post(prompt()))[0] == 200
        assert any("cap" in warning or "spent" in warning for warning in door.gate.books.warnings)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"by": "-1"}, 400),
        ({"by": "NaN"}, 400),
        ({"by": "x"}, 400),
        ({}, 400),
        ({"by": "1", "cap": "day"}, 404),
        ([], 400),
    ],
)
async def test_a_raise_that_makes_no_sense_is_refused(tmp_path: Path, body: Any, status: int):
    async with OpenRouterFake([], key=KEY) as host, opened(host, tmp_path, budget=Budget(session=1.0)) as door:
        assert (await door.post(body, "/control/budget", "control"))[0] == status
        assert (await door.post(body, "/control/budget", "token"))[0] == 401


async def test_the_days_cap_counts_what_other_sessions_spent(tmp_path: Path):
    reply = Reply([Text("x")], usage=Tokens(prompt=10, completion=10, cost=Decimal("0.4")))
    async with OpenRouterFake(lambda _ask, _n: reply, key=KEY) as host:
        async with opened(host, tmp_path, budget=Budget(day=0.5)) as door:
            assert (await door.post(prompt()))[0] == 200
        async with opened(host, tmp_path, budget=Budget(day=0.401)) as door:
            assert (await door.post(prompt()))[0] == 402


async def test_sessions_at_once_stay_below_a_common_cap_by_one_call(tmp_path: Path):
    reply = Reply([Text("x"), Pause(0.05)], usage=Tokens(prompt=30, completion=8_000))
    async with OpenRouterFake(lambda _ask, _n: reply, key=KEY) as host:
        async with opened(host, tmp_path) as door:
            await door.post(prompt(max_tokens=8_192))
        each = host.invoice()
        cap = Budget(day=float(each * Decimal("11.5")))  # the first one counts
        async with AsyncExitStack() as stack:
            doors = [await stack.enter_async_context(opened(host, tmp_path, budget=cap)) for _ in range(3)]
            answers = await asyncio.gather(*(doors[n % 3].post(prompt(max_tokens=8_192)) for n in range(24)))
            assert [
                door.gate.books.warnings for door in doors if any("alone" in w for w in door.gate.books.warnings)
            ] == []
        assert each * Decimal("9.5") <= host.invoice() <= each * Decimal("12.5")
        assert {status for status, _ in answers} == {200, 402}
        assert ledger(tmp_path).cost == host.invoice()
        assert holds(tmp_path) == 0


async def test_what_a_call_left_unpaid_is_held_until_its_bill_comes(tmp_path: Path):
    long_answer = Reply([Text("word " * 200), Pause(20), Text("end")], usage=Tokens(prompt=10_000, completion=900))
    async with OpenRouterFake([long_answer], key=KEY) as host:
        host.others["/generation"] = error(404, "not yet")
        async with opened(host, tmp_path, budget=Budget(day=5.0)) as door:
            await door.post_and_leave(prompt())
            await until(lambda: door.gate.tally.total.unknown == 1)
            await until(lambda: holds(tmp_path) == 1)
            await until(lambda: host.asks[0].gone)
        assert holds(tmp_path) == 0, "a session that is over holds nothing"


async def test_a_ledger_of_a_later_version_is_told_once_for_rows_and_once_for_caps(tmp_path: Path):
    with closing(open_ledger(str(tmp_path / "ledger.sqlite"))) as later:
        later.execute("PRAGMA user_version = 99")
    async with OpenRouterFake([text("a"), text("b")], key=KEY) as host:
        async with opened(host, tmp_path, budget=Budget(day=5.0)) as door:
            for _ in range(2):
                assert (await door.post(prompt()))[0] == 200
        rows, caps = sorted(door.gate.books.warnings, key=lambda words: "caps" in words)
        assert rows.endswith("is of a later version of claude-or; this session is not recorded")
        assert caps == "the ledger could not be used, so caps count this session alone: it is of a later version"


async def test_no_cap_is_kept_by_the_prices_of_another_day(tmp_path: Path):
    async with OpenRouterFake([], key=KEY) as host:
        host.others["/models"] = host.others["/models/user"] = error(503, "no list")
        async with opened(host, tmp_path, budget=Budget(session=1.0)) as door:
            status, told = await door.post(prompt())
    assert (status, "has no known price" in told) == (402, True)


async def test_under_a_cap_a_local_model_is_free_and_another_host_costs_what_is_told(tmp_path: Path):
    told = ProviderModel(input_price=1.0, output_price=2.0)
    async with OpenRouterFake([], key=KEY) as host, plain_host() as lab:
        hosts = {
            "local": Provider(base_url=lab.base_url, stream_options=False),
            "paid": Provider(base_url=lab.base_url, free=False, models={"m": told}),
            "secret": Provider(base_url=lab.base_url, free=False),
        }
        async with opened(host, tmp_path, budget=Budget(session=0.005), providers=hosts) as door:
            assert (await door.post(prompt(model="local:m")))[0] == 200
            assert door.gate.tally.total.cost == 0
            assert (await door.post(prompt(model="paid:m")))[0] == 200
            cost = Decimal(100 + 2 * 7) / 10**6  # what the host counts
            total = door.gate.tally.total
            assert (total.cost, total.priced, total.unknown) == (cost, 1, 0)
            assert (await door.post(prompt(model="paid:m", max_tokens=10_000)))[0] == 402
            status, said = await door.post(prompt(model="secret:m"))
            assert (status, "no known price" in said) == (402, True)
    found = ledger(tmp_path)
    assert (found.calls, found.cost, found.listed, found.unknown) == (2, cost, 1, 0)


async def test_the_status_file_says_what_the_status_line_shows(tmp_path: Path):
    reply = Reply([Text("x")], usage=Tokens(prompt=1000, completion=10, cached=900, cost=Decimal("0.25")))
    async with OpenRouterFake(lambda _ask, _n: reply, key=KEY) as host:
        async with opened(host, tmp_path, budget=Budget(session=1.0)) as door:
            for _ in range(2):
                assert (await door.post(prompt()))[0] == 200
            status = tmp_path / "status.json"
            await until(lambda: status.exists() and json.loads(status.read_bytes())["cost"] == "0.50")
            told = json.loads(status.read_bytes())
        assert told["caps"] == {"session": {"limit": "1.0", "spent": "0.50"}}
        assert told["cache"] == 0.9
        assert told["model"].startswith(MODEL)


async def test_the_status_file_says_whose_place_a_fallback_took_until_it_is_back(tmp_path: Path):
    ill = [True]

    def brain(ask: Any, _n: int) -> Reply:
        return error(404, "no endpoints") if ask.model == MODEL and ill[0] else Reply([Text("a")])

    status = tmp_path / "status.json"

    def said() -> tuple[str, str]:
        told = json.loads(status.read_bytes()) if status.exists() else {"model": "", "fallback_for": ""}
        return told["model"].partition("-2026")[0], told["fallback_for"]

    spare = Fallbacks(big=["openai/gpt-6.1-sol"])
    async with OpenRouterFake(brain, key=KEY) as host, opened(host, tmp_path, fallbacks=spare) as door:
        assert (await door.post(prompt(model="opus")))[0] == 200
        await until(lambda: said() == ("openai/gpt-6.1-sol", MODEL))
        ill[0] = False
        assert (await door.post(prompt(model="opus")))[0] == 200
        await until(lambda: said() == (MODEL, ""))


async def test_rows_say_who_asked_for_what_and_who_answered(tmp_path: Path):
    async with OpenRouterFake([text("a")], key=KEY) as host, opened(host, tmp_path) as door:
        await door.post(prompt(model="claude-sonnet-4-5"))
    connection = reading(tmp_path / "ledger.sqlite")
    columns = "project, role, asked, slug, served, provider, host, path, outcome, basis, first_ms >= 0, ms >= 0"
    row = connection.execute(f"SELECT {columns} FROM calls").fetchone()
    served, provider = row[4], row[5]
    assert served.startswith(MODEL)
    assert provider
    expected = ("/project", "sonnet", "claude-sonnet-4-5", MODEL, served, provider, "openrouter", "chat")
    assert row == (*expected, "answered", "host", 1, 1)
    assert [found.name for found in grouped(connection, "role")] == ["sonnet"]


SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def logged(folder: Path, event: str) -> list[dict[str, Any]]:
    """The lines of this event in the log."""
    lines = [json.loads(line) for file in (folder / "logs").glob("*.jsonl") for line in file.read_text().splitlines()]
    return [line for line in lines if line["event"] == event]


async def test_each_step_of_a_search_by_an_own_source_is_a_row_of_the_same_request(tmp_path: Path):
    steps = [
        Reply([tool_call("web_search", {"query": "zebras"})], usage=Tokens(prompt=3_000, completion=20)),
        Reply([text("Stripes.")], usage=Tokens(prompt=4_000, completion=30)),
    ]
    async with SearchFake() as source, OpenRouterFake(steps, key=KEY) as host:
        search = WebSearch(source="searxng", url=source.origin)
        async with opened(host, tmp_path, web_search=search) as door:
            status, told = await door.post(prompt(tools=[SEARCH]))
            assert (status, "Stripes." in told) == (200, True)
            counted = door.gate.tally.total
        assert counted.cost == ledger(tmp_path).cost == host.invoice() > 0
    connection = reading(tmp_path / "ledger.sqlite")
    rows = connection.execute("SELECT request, outcome, input FROM calls ORDER BY id").fetchall()
    assert [row[1:] for row in rows] == [("answered", 3_000), ("answered", 4_000)]
    assert len({row[0] for row in rows}) == 1
    assert [line["hits"] for line in logged(tmp_path, "web search")] == [2]
    assert len(logged(tmp_path, "call")) == 2
    assert "zebras" not in str(logged(tmp_path, "web search"))


async def test_what_the_host_s_own_search_costs_is_in_its_bill_and_its_count_in_the_log(tmp_path: Path):
    answer = Reply([text("Stripes.")], usage=Tokens(prompt=100, completion=5, cost=Decimal("0.0151"), searches=2))
    async with OpenRouterFake([answer], key=KEY) as host:
        async with opened(host, tmp_path) as door:
            status, told = await door.post(prompt(tools=[SEARCH]))
            assert (status, '"web_search_requests":2' in told) == (200, True)
            assert door.gate.tally.total.cost == Decimal("0.0151")
        assert ledger(tmp_path).cost == Decimal("0.0151")
    (line,) = logged(tmp_path, "call")
    assert (line["searches"], line["cost"], line["basis"]) == (2, "0.0151", "host")
    assert "fetches" not in line
