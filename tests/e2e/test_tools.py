"""The client's tools, called by a model on the other side of the translation."""

from __future__ import annotations

import base64
import struct
import zlib

from tests.fakes.listing import GPT
from tests.fakes.openrouter import Ask, script
from tests.fakes.replies import interleaved, reasoning, text, tool_call
from tests.support.lab import Lab

ODD = 'first "quoted" \\ line\n\tünïcödé 漢字 🙂 </x> {"a": [1]}\nlast line\n'


def results(ask: Ask) -> list[tuple[str, str]]:
    """The tool messages of a request: call id and text."""
    return [(m["tool_call_id"], str(m["content"])) for m in ask.messages if m["role"] == "tool"]


async def test_write_read_edit_and_bash_work_whatever_the_cuts_of_their_arguments(lab: Lab) -> None:
    path = str(lab.project / "notes 1.txt")
    lab.host.script(
        script(
            [reasoning("Write it."), tool_call("Write", {"file_path": path, "content": ODD}, cut="each", call_id="c1")],
            [text("Now read."), tool_call("Read", {"file_path": path}, cut=[1, 2, 14, 15], call_id="c2")],
            [
                tool_call(
                    "Edit", {"file_path": path, "old_string": "last", "new_string": "very last"}, cut=3, call_id="c3"
                )
            ],
            [
                tool_call(
                    "Bash",
                    {"command": f'tail -1 "{path}"', "description": "x"},
                    bare_start=False,
                    cut=None,
                    call_id="c4",
                )
            ],
            text("All four done."),
        )
    )
    done = await lab.ask("use the tools")
    assert (done.code, done.result["result"]) == (0, "All four done.")
    assert (lab.project / "notes 1.txt").read_text() == ODD.replace("last line", "very last line")
    assert [bool(r.get("is_error")) for r in done.tool_results] == [False] * 4
    told = results(lab.host.asks[-1])
    assert [call for call, _ in told] == ["c1", "c2", "c3", "c4"]
    assert "ünïcödé 漢字 🙂" in told[1][1]
    assert "very last line" in told[3][1]


async def test_two_interleaved_calls_both_run_and_are_answered_in_order(lab: Lab) -> None:
    one, two = lab.project / "one", lab.project / "two"
    calls = [
        tool_call("Write", {"file_path": str(one), "content": "1" * 50}, cut=4, call_id="first"),
        tool_call("Write", {"file_path": str(two), "content": "2" * 50}, cut=7, call_id="second"),
    ]
    lab.host.script(script([text("Both at once."), interleaved(*calls)], text("Both written.")))
    done = await lab.ask("write two files")
    assert (done.code, done.result["result"]) == (0, "Both written.")
    assert (one.read_text(), two.read_text()) == ("1" * 50, "2" * 50)
    assert [call for call, _ in results(lab.host.asks[-1])] == ["first", "second"]


async def test_a_deferred_tool_is_found_offered_and_called(lab: Lab) -> None:
    lab.host.script(
        script(
            tool_call("ToolSearch", {"query": "select:CronList", "max_results": 3}),
            tool_call("CronList", {}),
            text("Nothing is planned."),
        )
    )
    done = await lab.ask("what is planned?")
    assert (done.code, done.result["result"]) == (0, "Nothing is planned.")
    before, after, last = lab.host.asks
    assert "ToolSearch" in before.tools
    assert "CronList" not in before.tools
    assert "CronList" in after.tools
    offered = next(t["function"] for t in after.body["tools"] if t["function"]["name"] == "CronList")
    assert offered["description"]
    assert offered["parameters"]["type"] == "object"
    assert "CronList" in results(after)[-1][1]
    assert not done.tool_results[-1].get("is_error")
    assert "No such tool" not in results(last)[-1][1]


async def test_a_picture_that_is_read_reaches_a_model_that_sees(lab: Lab) -> None:
    picture = png(8, 8)
    (lab.project / "dot.png").write_bytes(picture)
    lab.extra["BIG_MODEL"] = GPT
    lab.host.script(script(tool_call("Read", {"file_path": str(lab.project / "dot.png")}), text("A red square.")))
    done = await lab.ask("what is in the picture?")
    assert (done.code, done.result["result"]) == (0, "A red square.")
    parts = [p for m in lab.host.asks[-1].messages if isinstance(m["content"], list) for p in m["content"]]
    urls = [p["image_url"]["url"] for p in parts if p["type"] == "image_url"]
    assert len(urls) == 1
    kind, _, data = urls[0].partition(";base64,")
    assert kind.startswith("data:image/")
    assert len(base64.b64decode(data, validate=True)) > 50


async def test_a_subagent_asks_for_itself_and_reports_back(lab: Lab) -> None:
    done = await lab.ask("ask say the answer of the subagent is seven")
    assert done.code == 0
    assert "the answer of the subagent is seven" in done.result["result"]  # the agent repeats what its last tool said
    main, sub, last = lab.host.asks
    assert len(sub.messages) < len(last.messages)
    assert "Agent" in main.tools
    assert "the answer of the subagent is seven" in results(last)[-1][1]


def png(width: int, height: int) -> bytes:
    """A red picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\x00" + b"\xff\x00\x00" * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
