"""Supervision: what happens when a server dies, hangs, will not start or will not go."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from claude_or.mcp.launch import McpHealth
from tests.mcp.relayed import (
    Relayed,
    called,
    fake_command,
    initialize,
    launch_of,
    messages_in,
    note,
    relayed,
    text_in,
    until,
)
from tests.stories.conftest import is_alive


async def pid_of(there: Relayed, sid: str) -> int:
    """The server's own word for its pid."""
    return int(text_in(await there.call(sid, "pid")))


ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="who left its group is only found through /proc")


class TestAServerThatDies:
    """The session stays, what was under way is told, nothing is sent twice."""

    async def test_its_call_fails_at_once_and_the_next_one_works(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            sid = await there.session()
            victim = await pid_of(there, sid)
            call = asyncio.create_task(there.call(sid, "deaf"))
            await until(lambda: there.server.link.busy)
            os.kill(victim, signal.SIGKILL)
            answer = await asyncio.wait_for(call, 20)
            assert answer["error"]["code"] == -32000
            assert (
                "was ended by signal 9 during this call; the call may have taken effect" in answer["error"]["message"]
            )

            assert text_in(await there.call(sid, "echo", text="again")) == "again"
            assert await pid_of(there, sid) != victim
            assert there.server.told()["restarts"] == 1

    async def test_no_call_is_ever_sent_again(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            sid = await there.session()
            assert "error" in await there.call(sid, "die")
            seen = json.loads(text_in(await there.call(sid, "seen")))
            assert seen == ["initialize", "notifications/initialized", "tools/call"]

    async def test_what_was_set_in_it_is_set_again(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            sid = await there.session()
            for method, params in (
                ("logging/setLevel", {"level": "debug"}),
                ("resources/subscribe", {"uri": "file:///a"}),
                ("resources/subscribe", {"uri": "file:///b"}),
                ("resources/unsubscribe", {"uri": "file:///a"}),
            ):
                message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                assert (await there.post(message, mcp_session_id=sid))[0] == 200
            await there.call(sid, "die")
            seen = json.loads(text_in(await there.call(sid, "seen")))
            assert seen[:4] == ["initialize", "notifications/initialized", "logging/setLevel", "resources/subscribe"]
            assert seen.count("resources/subscribe") == 1

    async def test_other_tools_after_a_restart_are_announced(self, tmp_path: Path) -> None:
        tools = tmp_path / "tools"
        tools.write_text("first")
        heard: list[str] = []

        async def received(message: Any) -> None:
            heard.append(type(message).__name__)

        async with relayed(tmp_path, "--tools-file", str(tools), "--page", "5") as there:  # noqa: SIM117
            async with there.client(message_handler=received) as client:
                names: list[str] = []
                cursor = None
                while cursor is not None or not names:
                    page = await client.list_tools(cursor=cursor)
                    names += [tool.name for tool in page.tools]
                    cursor = page.next_cursor
                await there.server.restart()
                await until(lambda: there.server.told()["tools"] == len(names))
                await client.call_tool("echo", {"text": "x"})
                assert "ToolListChangedNotification" not in heard, "the tools are the same"

                tools.write_text("first second")
                await there.server.restart()
                await until(lambda: "ToolListChangedNotification" in heard, f"heard {heard}")
                assert there.server.told()["tools"] == len(names) + 1

    async def test_it_is_back_before_anybody_asks(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            sid = await there.session()
            os.kill(await pid_of(there, sid), signal.SIGKILL)
            await until(lambda: there.server.told()["restarts"] == 1 and there.server.state == "up")

    async def test_a_listing_that_it_died_on_is_asked_again(self, tmp_path: Path) -> None:
        async with relayed(tmp_path, "--slow-start", "0.3") as there:
            sid = await there.session()
            victim = await pid_of(there, sid)
            os.kill(victim, signal.SIGSTOP)
            listing = {"jsonrpc": "2.0", "id": 9, "method": "tools/list"}
            call = asyncio.create_task(there.post(listing, mcp_session_id=sid))
            await until(lambda: there.server.link.busy)
            os.kill(victim, signal.SIGKILL)
            assert (await call)[2]["result"]["tools"]

    async def test_one_that_closes_its_output_is_started_anew(self, tmp_path: Path) -> None:
        script = (
            "import json, os, sys, time\n"
            "for line in sys.stdin:\n"
            "    m = json.loads(line)\n"
            "    if m.get('method') == 'initialize':\n"
            "        print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'result': {}}), flush=True)\n"
            "    elif 'id' in m:\n"
            "        sys.stdout.close(); os.close(1); time.sleep(600)\n"
        )
        async with relayed(tmp_path, commands=((fake_command()[0], "-c", script),)) as there:
            sid = await there.session()
            answer = await there.call(sid, "any")
            assert "closed its output during this call" in answer["error"]["message"]

    async def test_many_lives_leave_no_descriptor_and_no_task(self, tmp_path: Path) -> None:
        async with relayed(tmp_path, max_restarts=100) as there:
            sid = await there.session()
            await there.call(sid, "die")
            assert text_in(await there.call(sid, "echo", text="x")) == "x"
            before = len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
            for _ in range(6):
                await there.server.restart()
            for _ in range(4):
                await there.call(sid, "die")
                there.server.restarts.forget()
                assert text_in(await there.call(sid, "echo", text="x")) == "x"
            assert (len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())) == before


class TestAServerThatDoesNotStart:
    """Others are not touched; the reason reaches who needs it."""

    async def test_a_program_that_is_not_there_fails_at_once(self, tmp_path: Path) -> None:
        async with relayed(tmp_path, commands=(("no-such-program-anywhere",),)) as there:
            _, _, body = await there.post(initialize())
            assert body["error"]["code"] == -32002
            assert "cannot be started: no such program: no-such-program-anywhere" in body["error"]["message"]
            told = there.server.told()
            assert (told["state"], told["pid"], told["restarts"]) == ("failed", None, 1)

    async def test_a_working_folder_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        from dataclasses import replace

        launch = replace(launch_of(tmp_path), cwd=str(tmp_path / "gone"))
        async with relayed(tmp_path, launches=[launch]) as there:
            _, _, body = await there.post(initialize())
            assert str(tmp_path / "gone") in body["error"]["message"]

    async def test_one_that_exits_at_start_is_tried_and_given_up_with_its_last_words(self, tmp_path: Path) -> None:
        options = ("--leave", "4", "--stderr", "password=hunter22 is wrong")
        more: dict[str, Any] = {"max_restarts": 2, "secrets": ("hunter22",)}
        async with relayed(tmp_path, *options, **more) as there:
            _, _, body = await there.post(initialize())
            message = body["error"]["message"]
            assert body["error"]["code"] == -32002
            assert "MCP server fake is failed: exited with code 4 before it was ready" in message
            assert "password=[masked] is wrong" in message
            assert there.server.told()["restarts"] == 2

    async def test_a_launcher_that_finds_no_program_is_not_tried_again(self, tmp_path: Path) -> None:
        async with relayed(tmp_path, "--leave", "127") as there:
            await until(lambda: there.server.state == "failed")
            assert there.server.told()["restarts"] == 0

    async def test_the_next_command_is_tried_when_one_fails(self, tmp_path: Path) -> None:
        tell = str(tmp_path / "told")
        commands = (fake_command("--leave", "2", "--tell", tell), ("no-such-program",), fake_command("--tell", tell))
        async with relayed(tmp_path, commands=commands) as there:
            sid = await there.session()
            assert text_in(await there.call(sid, "echo", text="third")) == "third"
            assert there.server.told()["restarts"] == 0
            assert len(Path(tell).read_text().splitlines()) == 2

    async def test_one_that_needs_some_attempts_is_waited_for(self, tmp_path: Path) -> None:
        times = tmp_path / "times"
        times.write_text("2")
        async with relayed(tmp_path, "--leave-times", str(times)) as there:
            sid = await there.session()
            assert text_in(await there.call(sid, "echo", text="at last")) == "at last"
            assert there.server.told()["restarts"] == 2

    async def test_one_that_keeps_failing_holds_nobody_for_all_its_attempts(self, tmp_path: Path) -> None:
        times = tmp_path / "times"
        times.write_text("4")
        async with relayed(tmp_path, "--leave-times", str(times), "--stderr", "no port") as there:
            _, _, body = await there.post(initialize())
            assert "exited with code 3 before it was ready" in body["error"]["message"]
            assert "no port" in body["error"]["message"]
            assert there.server.state == "backoff"
            assert there.server.told()["restarts"] == 3, "the next one is being waited for"
            await until(lambda: there.server.state == "up")
            sid = await there.session()
            assert text_in(await there.call(sid, "echo", text="after all")) == "after all"

    async def test_a_slow_one_is_held_and_later_used(self, tmp_path: Path) -> None:
        async with relayed(tmp_path, "--slow-start", "1.5", start_timeout=0.3) as there:
            _, _, body = await there.post(initialize())
            assert body["error"]["code"] == -32002
            assert "is starting" in body["error"]["message"]
            await until(lambda: there.server.state == "up")
            sid = await there.session()
            assert text_in(await there.call(sid, "echo", text="now")) == "now"

    async def test_one_that_refuses_the_protocol_says_so(self, tmp_path: Path) -> None:
        async with relayed(tmp_path, "--refuse", "only 2026-07-28 here") as there:
            _, _, body = await there.post(initialize())
            assert body["error"] == {"code": -32022, "message": "only 2026-07-28 here"}
            assert there.server.told()["last_error"] == "only 2026-07-28 here"

    async def test_an_initialize_after_giving_up_is_one_more_attempt(self, tmp_path: Path) -> None:
        times = tmp_path / "times"
        times.write_text("2")
        async with relayed(tmp_path, "--leave-times", str(times), max_restarts=1) as there:
            await until(lambda: there.server.state == "failed")
            assert (await there.session()) != ""
            assert there.server.state == "up"

    async def test_a_server_that_is_not_to_be_restarted_stays_down(self, tmp_path: Path) -> None:
        async with relayed(tmp_path, restart=False) as there:
            sid = await there.session()
            await there.call(sid, "leave", code=0)
            await until(lambda: there.server.state == "failed")
            answer = await there.call(sid, "echo")
            assert answer["error"]["code"] == -32002
            assert "exited with code 0" in answer["error"]["message"]

    async def test_others_work_meanwhile(self, tmp_path: Path) -> None:
        launches = [
            launch_of(tmp_path, "--leave", "1", name="bad"),
            launch_of(tmp_path, "--slow-start", "30", name="slow"),
            launch_of(tmp_path, name="good"),
        ]
        async with relayed(tmp_path, launches=launches) as there:
            sid = await there.session("good")
            assert text_in(await there.call(sid, "echo", name="good", text="fine")) == "fine"


class TestAServerThatHangs:
    """Pings find it out, but never while a call runs."""

    async def test_it_is_started_anew_after_missed_pings(self, tmp_path: Path) -> None:
        health = McpHealth(interval=0.1, timeout=0.1, failures=2)
        async with relayed(tmp_path, health=health) as there:
            sid = await there.session()
            first = await pid_of(there, sid)
            os.kill(first, signal.SIGSTOP)
            await until(lambda: there.server.told()["restarts"] == 1)
            assert there.server.last_error == "did not answer 2 pings"
            assert not is_alive(first)
            assert text_in(await there.call(sid, "echo", text="back")) == "back"

    async def test_it_is_never_pinged_during_a_call(self, tmp_path: Path) -> None:
        health = McpHealth(interval=0.05, timeout=0.05, failures=1)
        async with relayed(tmp_path, "--no-ping", health=health) as there:
            sid = await there.session()
            first = there.server.told()["pid"]
            assert text_in(await there.call(sid, "sleep", seconds=1)) == "done"
            assert there.server.told()["pid"] in {first, None}
            assert there.server.told()["restarts"] <= 1

    async def test_its_address_is_only_reported(self, tmp_path: Path) -> None:
        health = McpHealth(ping=False, interval=0.05, timeout=1.0, failures=2, url="http://127.0.0.1:9/health")
        async with relayed(tmp_path, health=health) as there:
            sid = await there.session()
            await until(lambda: there.server.state == "degraded")
            assert "127.0.0.1" in there.server.told()["last_error"]
            assert text_in(await there.call(sid, "echo", text="works")) == "works"
            assert there.server.told()["restarts"] == 0

    async def test_its_address_may_restart_it(self, tmp_path: Path) -> None:
        said = ["", "status 500", "status 500", ""]

        async def get(url: str, limit: float) -> str:
            assert (url, limit) == ("http://health/", 1.0)
            return said.pop(0) if said else ""

        health = McpHealth(
            ping=False, interval=0.02, timeout=1.0, failures=2, url="http://health/", restart_on_unhealthy=True
        )
        async with relayed(tmp_path, health=health, get=get) as there:
            await there.session()
            await until(lambda: there.server.told()["restarts"] == 1)
            await until(lambda: there.server.state == "up")
            assert there.server.last_error == "its health check failed 2 times: status 500"

    @pytest.mark.slow  # some 150 MB pass before it is refused
    async def test_one_that_does_not_read_is_not_fed_for_ever(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            sid = await there.session()
            stuck = asyncio.create_task(there.call(sid, "stop_reading", id_=1))
            await until(lambda: there.server.link.busy)
            large = called("echo", text="z" * (50 * 1024 * 1024))
            calls = [asyncio.create_task(there.post({**large, "id": n}, mcp_session_id=sid)) for n in range(4)]
            done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED, timeout=20)
            assert "does not read" in done.pop().result()[2]["error"]["message"]
            for task in (stuck, *calls):
                task.cancel()
            await asyncio.wait({stuck, *calls})


class TestTheEnd:
    """Nothing is left, whatever the server does about it."""

    @pytest.mark.parametrize(
        "options",
        [
            (),
            ("--ignore-eof",),
            pytest.param(("--ignore-eof", "--ignore-term"), marks=pytest.mark.slow),
            pytest.param(("--stray",), marks=ONLY_LINUX),
        ],
        ids=["leaves", "ignores the end of its input", "ignores TERM", "its child left the group"],
    )
    async def test_it_and_its_children_are_gone(self, options: tuple[str, ...], tmp_path: Path) -> None:
        forked = tmp_path / "forked"
        async with relayed(tmp_path, *options, "--fork", str(forked)) as there:
            sid = await there.session()
            server = await pid_of(there, sid)
            await until(lambda: forked.exists() and forked.read_text())
            ended = time.monotonic()
        assert time.monotonic() - ended < 30
        assert not is_alive(server)
        assert not is_alive(int(forked.read_text()))
        told = [line.split()[:2] for line in there.guarded if not line.startswith("+mark")]
        assert told == [["+pgid", str(server)], ["-pgid", str(server)]]

    @pytest.mark.slow
    async def test_many_end_side_by_side(self, tmp_path: Path) -> None:
        launches = [launch_of(tmp_path, "--ignore-eof", "--ignore-term", name=f"s{n}") for n in range(6)]
        async with relayed(tmp_path, launches=launches) as there:
            await asyncio.gather(*(there.session(launch.name) for launch in launches))
            pids = [told["pid"] for told in there.fleet.told()]
            ended = time.monotonic()
        assert time.monotonic() - ended < 25
        assert not any(is_alive(pid) for pid in pids)

    async def test_a_crash_takes_the_children_along(self, tmp_path: Path) -> None:
        forked = tmp_path / "forked"
        async with relayed(tmp_path, "--fork", str(forked)) as there:
            sid = await there.session()
            await until(lambda: forked.exists() and forked.read_text())
            first = int(forked.read_text())
            await there.call(sid, "die")
            assert text_in(await there.call(sid, "echo", text="x")) == "x"
            assert not is_alive(first)

    async def test_open_streams_and_calls_end_with_the_session(self, tmp_path: Path) -> None:
        async with relayed(tmp_path, call_keepalive=0.2) as there:
            sid = await there.session()
            stream = await there.open(None, method="GET", mcp_session_id=sid)
            call = await there.open(called("deaf"), mcp_session_id=sid)
            ended = time.monotonic()
        assert time.monotonic() - ended < 20
        assert messages_in(await call.read())[0]["error"]["message"] == "the session is over"
        stream.close()


class TestControl:
    """What our other commands see and do."""

    async def test_the_state_is_told(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            before = (await there.control("GET", "/control/mcp"))["servers"]
            assert [(server["name"], server["state"]) for server in before] == [("fake", "starting")]
            await there.session()
            (told,) = (await there.control("GET", "/control/mcp"))["servers"]
            assert told["state"] == "up"
            assert is_alive(told["pid"])
            assert told["uptime_s"] >= 0
            assert {**told, "pid": 0, "uptime_s": 0} == {
                "name": "fake",
                "state": "up",
                "pid": 0,
                "uptime_s": 0,
                "restarts": 0,
                "last_error": "",
                "tools": None,
                "log": str(tmp_path / "logs" / "mcp" / "fake.log"),
            }

    async def test_a_server_is_restarted_on_request(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            sid = await there.session()
            first = await pid_of(there, sid)
            told = await there.control("POST", "/control/mcp/fake/restart")
            assert (told["state"], told["restarts"]) == ("up", 1)
            assert told["pid"] == await pid_of(there, sid) != first

    async def test_a_failed_server_is_restarted_on_request(self, tmp_path: Path) -> None:
        times = tmp_path / "times"
        times.write_text("1")
        async with relayed(tmp_path, "--leave-times", str(times), max_restarts=0) as there:
            await until(lambda: there.server.state == "failed")
            await there.control("POST", "/control/mcp/fake/restart")
            assert text_in(await there.call(await there.session(), "echo", text="up")) == "up"

    async def test_a_server_that_is_unknown_is_not_found(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            assert (await there.control("POST", "/control/mcp/other/restart"))["error"]["type"] == "not_found_error"


class TestTheLog:
    """What a server says on stderr."""

    async def test_it_is_kept_masked_in_a_file_of_the_user_alone(self, tmp_path: Path) -> None:
        options = ("--stderr", "my token is s3cret-value and sk-or-v1-0123456789")
        async with relayed(tmp_path, *options, secrets=("s3cret-value",)) as there:
            await there.session()
            path = Path(there.server.told()["log"])
        text = path.read_text()
        assert "my token is [masked] and [masked]" in text
        assert "s3cret" not in text
        assert "-- claude-or: started as " in text
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    @pytest.mark.parametrize("megabytes", [10, pytest.param(100, marks=pytest.mark.slow)])
    async def test_one_that_writes_without_end_slows_nobody_and_fills_no_disk(
        self, megabytes: int, tmp_path: Path
    ) -> None:
        launches = [launch_of(tmp_path, "--chatter", str(megabytes), name="loud"), launch_of(tmp_path, name="calm")]
        async with relayed(tmp_path, launches=launches) as there:
            sid = await there.session("calm")
            loud = asyncio.create_task(there.session("loud"))
            slowest = 0.0
            while not loud.done():
                asked = time.monotonic()
                assert text_in(await there.call(sid, "echo", name="calm", text="x")) == "x"
                slowest = max(slowest, time.monotonic() - asked)
            await loud
        assert slowest < 0.5
        sizes = [path.stat().st_size for path in (tmp_path / "logs" / "mcp").glob("loud.log*")]
        assert 2_000_000 < sum(sizes) < 3_500_000

    async def test_notes_of_the_client_reach_the_server_only_once_ready(self, tmp_path: Path) -> None:
        async with relayed(tmp_path) as there:
            sid = await there.session()
            assert (await there.post(note("notifications/roots/list_changed"), mcp_session_id=sid))[0] == 202
            seen = json.loads(text_in(await there.call(sid, "seen")))
            assert seen == ["initialize", "notifications/initialized", "notifications/roots/list_changed", "tools/call"]
