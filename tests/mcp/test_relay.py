"""What a client can do through the relay: everything that it could do with the server itself. The protocol's own client judges."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import MCPError

from tests.mcp.relayed import called, initialize, messages_in, note, relayed, text_in, until


def text_of(result: Any) -> str:
    """What a tool gave, by the protocol's client."""
    return result.content[0].text


async def test_tools_are_listed_and_called(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there, there.client() as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert "echo" in names
        assert text_of(await client.call_tool("echo", {"text": "grüße"})) == "grüße"
        assert there.server.told()["tools"] == len(names)


async def test_progress_arrives_under_the_clients_own_token(tmp_path: Path) -> None:
    heard: list[float] = []

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        assert total == 4
        assert message is None
        heard.append(progress)

    async with relayed(tmp_path) as there, there.client() as client:
        await client.call_tool("progress", {"steps": 4}, progress_callback=progressed)

    assert heard == [1, 2, 3, 4]


async def test_log_messages_arrive(tmp_path: Path) -> None:
    heard: list[Any] = []

    async def logged(params: types.LoggingMessageNotificationParams) -> None:
        heard.append(params.data)

    async with relayed(tmp_path) as there, there.client(logging_callback=logged) as client:
        await client.call_tool("say_log")
        await until(lambda: heard)

    assert heard == ["hear, hear"]


async def test_a_servers_questions_are_answered_by_the_client(tmp_path: Path) -> None:
    async def roots(context: Any) -> types.ListRootsResult:
        del context
        return types.ListRootsResult(roots=[types.Root(uri="file:///somewhere")])  # pyright: ignore[reportArgumentType]

    async def form(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context
        assert params.message == "Your name?"
        return types.ElicitResult(action="decline")

    async def sample(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        del context
        assert params.max_tokens == 10
        said = types.TextContent(type="text", text="something")
        return types.CreateMessageResult(role="assistant", content=said, model="m")

    async with relayed(tmp_path) as there:
        callbacks: dict[str, Any] = {
            "list_roots_callback": roots,
            "elicitation_callback": form,
            "sampling_callback": sample,
        }
        async with there.client(**callbacks) as client:
            told = [json.loads(text_of(await client.call_tool(name))) for name in ("roots", "form", "sample")]

    assert told[0]["roots"] == [{"uri": "file:///somewhere"}]
    assert told[1]["action"] == "decline"
    assert told[2]["content"]["text"] == "something"


async def test_a_question_that_nobody_can_answer_gets_an_error(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there, there.client() as client:
        answer = json.loads(text_of(await client.call_tool("roots")))

    assert "error" in answer


async def test_a_changed_list_of_tools_is_announced(tmp_path: Path) -> None:
    heard: list[str] = []

    async def received(message: Any) -> None:
        heard.append(type(message).__name__)

    async with relayed(tmp_path) as there, there.client(message_handler=received) as client:
        await client.call_tool("add", {"name": "extra"})
        await until(lambda: "ToolListChangedNotification" in heard, f"heard {heard}")
        names = [tool.name for tool in (await client.list_tools(cache_mode="refresh")).tools]

    assert "extra" in names


async def test_a_listing_of_several_pages_comes_whole(tmp_path: Path) -> None:
    async with relayed(tmp_path, "--page", "5") as there, there.client() as client:
        names: list[str] = []
        cursor = None
        while cursor is not None or not names:
            page = await client.list_tools(cursor=cursor)
            assert len(page.tools) <= 5
            names += [tool.name for tool in page.tools]
            cursor = page.next_cursor
        assert there.server.told()["tools"] == len(names) == len(set(names)) > 10


async def test_the_log_level_and_pings_pass(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        sid = await there.session()
        for method, params in (("logging/setLevel", {"level": "debug"}), ("ping", {})):
            message = {"jsonrpc": "2.0", "id": 3, "method": method, "params": params}
            assert (await there.post(message, mcp_session_id=sid))[2] == {"jsonrpc": "2.0", "id": 3, "result": {}}
        seen = json.loads(text_in(await there.call(sid, "seen")))

    assert seen[:4] == ["initialize", "notifications/initialized", "logging/setLevel", "ping"]


async def test_an_error_of_the_server_is_the_clients_error(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there, there.client() as client:
        with pytest.raises(MCPError, match="unknown method"):
            await client.session.list_prompts()


async def test_a_message_of_many_megabytes_passes(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        sid = await there.session()
        size = 20 * 1024 * 1024
        assert len(text_in(await there.call(sid, "big", bytes=size))) == size
        assert len(text_in(await there.call(sid, "echo", text="y" * size))) == size


async def test_calls_run_side_by_side(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        sid = await there.session()
        answers = await asyncio.gather(
            *(there.call(sid, "meet", id_=number, count=8) for number in range(8)),
            there.call(sid, "echo", id_=100, text="me"),
        )
        assert [answer["id"] for answer in answers] == [*range(8), 100]
        assert [text_in(answer) for answer in answers] == [*["met"] * 8, "me"]


async def test_ids_come_back_as_they_were_sent(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        sid = await there.session()
        for id_ in ("a text", 0, -5, 2**53):
            _, _, body = await there.post(called("echo", id_=id_, text="x"), mcp_session_id=sid)
            assert body["id"] == id_


async def test_a_message_may_be_spread_over_lines(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        sid = await there.session()
        body = json.dumps(called("echo", text="two\nlines\r\n"), indent=2).replace("\n", "\r\n").encode()
        _, _, answer = await there.post(body, mcp_session_id=sid)
        assert text_in(answer) == "two\nlines\r\n"


async def test_a_client_that_leaves_cancels_its_call(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        sid = await there.session()
        call = asyncio.create_task(there.call(sid, "deaf", id_=55))
        await until(lambda: there.server.link.busy)
        call.cancel()
        await until(lambda: not there.server.link.busy)
        assert len(json.loads(text_in(await there.call(sid, "cancelled")))) == 1


async def test_a_cancelled_call_ends(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        sid = await there.session()
        call = asyncio.create_task(there.call(sid, "deaf", id_="c1"))
        await until(lambda: there.server.link.busy)
        cancel = note("notifications/cancelled", requestId="c1", reason="enough")
        assert (await there.post(cancel, mcp_session_id=sid))[0] == 202
        answer = await asyncio.wait_for(call, 20)
        assert answer["id"] == "c1"
        assert "cancelled" in answer["error"]["message"]
        assert len(json.loads(text_in(await there.call(sid, "cancelled")))) == 1


async def test_a_silent_call_becomes_a_stream_with_comments(tmp_path: Path) -> None:
    async with relayed(tmp_path, call_keepalive=0.3) as there:
        sid = await there.session()
        async with there.open(called("sleep", seconds=2.0), mcp_session_id=sid) as answer:
            assert answer.content_type == "text/event-stream"
            assert there.server.link.busy
            body = await answer.read()
        assert body.count(b": still there\n\n") >= 3
        assert [message["id"] for message in messages_in(body)] == [7]


async def test_a_second_initialize_is_answered_without_the_server(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        first = await there.session()
        second = await there.session()
        assert first != second
        seen = json.loads(text_in(await there.call(first, "seen")))
        assert seen == ["initialize", "notifications/initialized", "tools/call"]
        assert text_in(await there.call(second, "echo", text="both")) == "both"


async def test_two_sessions_may_use_the_same_ids(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        one, two = await there.session(), await there.session()
        answers = await asyncio.gather(there.call(one, "echo", text="one"), there.call(two, "echo", text="two"))
        assert [text_in(answer) for answer in answers] == ["one", "two"]


async def test_tools_that_are_switched_off_are_neither_seen_nor_called(tmp_path: Path) -> None:
    async with relayed(tmp_path, allow=("echo", "s*"), deny=("sleep",)) as there, there.client() as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"echo", "say_log", "sample", "search", "search_ask", "seen", "stop_reading"}
        assert text_of(await client.call_tool("echo", {"text": "still"})) == "still"
        for denied in ("sleep", "die"):
            with pytest.raises(MCPError, match="switched off"):
                await client.call_tool(denied)


async def test_output_that_is_no_message_is_passed_over(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        sid = await there.session()
        assert text_in(await there.call(sid, "garbage")) == "done"
        assert there.server.link.garbage == 2


async def test_what_is_no_message_stands_masked_in_the_log_and_among_the_last_words(tmp_path: Path) -> None:
    said = "cannot read the token hush-hush"
    async with relayed(tmp_path, "--stdout", said, secrets=("hush-hush",)) as there:
        sid = await there.session()
        assert text_in(await there.call(sid, "echo", text="hi")) == "hi"
        assert "stdout: cannot read the token [masked]" in there.server.why()
        assert "hush-hush" not in Path(there.server.journal.path).read_text()


@pytest.mark.parametrize("form", ["text", "fraction"])
async def test_servers_may_write_ids_loosely_end_lines_twice_and_begin_with_a_mark(form: str, tmp_path: Path) -> None:
    async with relayed(tmp_path, "--loose", form) as there, there.client() as client:
        assert (await client.call_tool("echo", {"text": "hi"})).content[0].text == "hi"  # pyright: ignore[reportAttributeAccessIssue]
        assert there.server.link.garbage == 0


async def test_an_answer_that_is_no_json_ends_its_call(tmp_path: Path) -> None:
    async with relayed(tmp_path) as there:
        sid = await there.session()
        answer = await there.call(sid, "nan")
        assert "not valid JSON" in answer["error"]["message"]
        assert not there.server.link.busy


async def test_a_long_initialize_becomes_a_stream(tmp_path: Path) -> None:
    async with relayed(tmp_path, "--slow-start", "1", hold=0.2, call_keepalive=0.2) as there:
        async with there.open(initialize()) as answer:
            assert answer.content_type == "text/event-stream"
            sid = answer.headers["mcp-session-id"]
            (message,) = messages_in(await answer.read())
        assert message["result"]["serverInfo"]["name"] == "fake"
        assert text_in(await there.call(sid, "echo", text="x")) == "x"


class TestTheDoor:
    """Who comes in, and with what."""

    async def test_the_stateless_probe_is_refused_without_asking_the_server(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            probe = {"jsonrpc": "2.0", "id": 0, "method": "server/discover", "params": {}}
            status, _, body = await there.post(probe)
            assert (status, body["error"]["code"], body["id"]) == (404, -32601, 0)
            status, _, body = await there.post(called("echo"), mcp_protocol_version="2026-07-28")
            assert (status, body["error"]["code"]) == (404, -32601)
            sid = await there.session()
            assert "server/discover" not in json.loads(text_in(await there.call(sid, "seen")))

    @pytest.mark.parametrize(
        "token", ["", "Bearer wrong", "Bearer token-of-this-session", "Bearer bearer-of-this-server-two"]
    )
    async def test_only_the_servers_own_bearer_opens_it(self, token: str, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            assert (await there.post(initialize(), authorization=token))[0] == 401

    async def test_the_bearer_opens_nothing_else(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            bearer = {"authorization": "Bearer bearer-of-this-server-fake"}
            for path in ("/v1/models", "/control/mcp", "/mcp/other", "/mcp/", "/mcp/fake/more"):
                assert (await there.door.ask("GET", path, headers=bearer)).status == 401, path

    async def test_web_pages_are_refused(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            assert (await there.post(initialize(), origin="http://127.0.0.1"))[0] == 403
            assert (await there.post(initialize(), host="rebound.example"))[0] == 403
            assert (await there.post(initialize(), content_type="text/plain"))[0] == 415

    async def test_what_is_no_message_is_refused(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            sid = await there.session()
            for body in (b"", b"{", b"[]", b'[{"jsonrpc":"2.0"}]', b'"text"', b"{}", b"\xff\xfe", b"[" * 100_000):
                assert (await there.post(body, mcp_session_id=sid))[0] == 400, body[:20]
            assert text_in(await there.call(sid, "echo", text="fine")) == "fine"

    async def test_sessions_are_asked_for_and_end(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            sid = await there.session()
            assert (await there.post(called("echo")))[0] == 400
            assert (await there.post(called("echo"), mcp_session_id="unknown"))[0] == 404
            assert (await there.post(None, method="GET", mcp_session_id="unknown"))[0] == 404
            assert (await there.post(None, method="DELETE", mcp_session_id=sid))[0] == 204
            assert (await there.post(called("echo"), mcp_session_id=sid))[0] == 404
            assert (await there.post(None, method="PUT", mcp_session_id=sid))[0] == 405
