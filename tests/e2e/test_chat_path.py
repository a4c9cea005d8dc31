"""The chat path as the real client meets it: reasoning over a resumed tool loop, PDFs, every tool, and a prefix that never moves."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from tests.fakes.listing import GEMINI, GPT, SONNET
from tests.fakes.openrouter import Ask, script
from tests.fakes.replies import Reply, Scripted, error, reasoning, text, tool_call
from tests.proxy.test_reasoning_survives import STYLES
from tests.support.lab import Lab

NOTICE = b"x-anthropic-billing-header"
"""How the line begins that the client puts in front of its prompt and that changes with every request."""


class Stern:
    """Reads a file a turn, `turns` calls for each prompt; refuses a history that lost what it thought."""

    def __init__(self, slug: str, path: str, turns: int) -> None:
        self.slug = slug
        self.path = path
        self.turns = turns
        self.handed: dict[str, list[dict[str, Any]]] = {}
        self.refusals: list[str] = []
        self.foreign: list[Ask] = []

    def __call__(self, ask: Ask, _n: int) -> Reply:
        if not ask.tools:
            return Reply([text("A side remark.")])
        if ask.model != self.slug:
            self.foreign.append(ask)
            return Reply([text("Another one here.")])
        calling = [message for message in ask.messages if message.get("tool_calls")]
        for message in calling:
            call = message["tool_calls"][0]["id"]
            if message.get("reasoning_details") != self.handed[call]:
                self.refusals.append(f"{call}: {message.get('reasoning_details')} is not {self.handed[call]}")
                return error(400, "The reasoning of this history is not what was handed out.")
        typed = max(n for n, message in enumerate(ask.messages) if message["role"] == "user")
        since = sum(bool(message.get("tool_calls")) for message in ask.messages[typed:])
        if since == self.turns:
            return Reply([text("Done.")])
        call = f"call_{len(self.handed):04d}"
        parts, details = STYLES[self.slug](len(self.handed), call)
        self.handed[call] = details
        return Reply([*parts, tool_call("Read", {"file_path": self.path}, call_id=call)])


@pytest.mark.parametrize(("slug", "other"), [(GPT, GEMINI), (GEMINI, SONNET), (SONNET, GPT)])
async def test_reasoning_comes_back_over_a_resume_and_never_to_another_family(lab: Lab, slug: str, other: str) -> None:
    (lab.project / "a.txt").write_text("something to read\n")
    stern = Stern(slug, str(lab.project / "a.txt"), turns=3)
    lab.host.script(stern)
    lab.configure("paths: {'*': chat}\n")
    lab.extra["BIG_MODEL"] = slug

    first = await lab.ask("read it three times")
    assert (first.code, first.result["result"]) == (0, "Done."), first.stderr
    session = first.result["session_id"]
    second = await lab.ask("once more, please", "--resume", session)
    assert (second.code, second.result["result"]) == (0, "Done."), second.stderr
    assert stern.refusals == []
    assert len(stern.handed) == 6
    last = [message for message in lab.host.asks[-1].messages if message.get("tool_calls")]
    assert [message["reasoning_details"] for message in last] == list(stern.handed.values())

    lab.extra["BIG_MODEL"] = other
    third = await lab.ask("and you?", "--resume", session)
    assert (third.code, third.result["result"]) == (0, "Another one here."), third.stderr
    assert stern.foreign
    for ask in stern.foreign:
        assert b"claude-or.1." not in ask.raw
        assert all("reasoning_details" not in message for message in ask.messages)
        for entry in (entry for details in stern.handed.values() for entry in details):
            for seal in (entry.get("data"), entry.get("signature")):
                assert seal is None or seal.encode() not in ask.raw


async def test_over_a_whole_session_each_request_extends_the_one_before(lab: Lab) -> None:
    (lab.project / "a.txt").write_text("something to read\n")
    lab.extra["BIG_MODEL"] = GPT
    lab.host.script(
        script(
            [reasoning("Look."), tool_call("Read", {"file_path": str(lab.project / "a.txt")})],
            tool_call("ToolSearch", {"query": "select:CronList", "max_results": 3}),
            [text("I know now."), tool_call("CronList", {})],
            tool_call("Bash", {"command": "echo one; echo two", "description": "x"}),
            tool_call("ToolSearch", {"query": "select:TaskStop", "max_results": 3}),
            tool_call("Write", {"file_path": str(lab.project / "b.txt"), "content": "b\n"}),
            text("Done."),
        )
    )
    done = await lab.ask("work")
    assert (done.code, done.result["result"]) == (0, "Done."), done.stderr
    asks = [ask for ask in lab.host.asks if ask.tools]
    assert len(asks) == 7
    for before, after in pairwise(asks):
        for field in ("tools", "messages"):
            earlier, later = (msgspec.json.encode(ask.body[field]) for ask in (before, after))
            assert later.startswith(earlier[:-1]), f"{field} moved"
    assert {"CronList", "TaskStop"} == set(asks[-1].tools) - set(asks[0].tools)
    assert len({ask.body["session_id"] for ask in asks}) == 1
    assert not any(NOTICE in ask.raw for ask in asks)


async def test_a_session_is_compacted_and_goes_on_from_the_summary(lab: Lab) -> None:
    lab.host.script(lambda _ask, _n: text("An answer of the first part."))
    first = await lab.ask("the first part")
    session = first.result["session_id"]
    lab.host.script(lambda _ask, _n: text("<summary>They spoke of zebras.</summary>"))
    compacted = await lab.ask("/compact", "--resume", session)
    assert compacted.code == 0, compacted.stderr
    assert any(event.get("subtype") == "compact_boundary" for event in compacted.events)
    lab.host.script(lambda _ask, _n: text("Going on."))
    after = await lab.ask("go on", "--resume", session)
    assert (after.code, after.result["result"]) == (0, "Going on."), after.stderr
    told = msgspec.json.encode(lab.host.asks[-1].messages)
    assert b"They spoke of zebras." in told
    assert b"An answer of the first part." not in told


async def test_a_pdf_that_is_read_reaches_a_model_that_takes_files(lab: Lab) -> None:
    (lab.project / "page.pdf").write_bytes(pdf("Hello PDF"))
    lab.extra["BIG_MODEL"] = GPT
    lab.host.script(script(tool_call("Read", {"file_path": str(lab.project / "page.pdf")}), text("It says hello.")))
    done = await lab.ask("what does it say?")
    assert (done.code, done.result["result"]) == (0, "It says hello."), done.stderr
    parts = [p for m in lab.host.asks[-1].messages if isinstance(m["content"], list) for p in m["content"]]
    files = [p["file"]["file_data"] for p in parts if p["type"] == "file"]
    assert len(files) == 1
    assert files[0].startswith("data:application/pdf;base64,")


Call = tuple[str, Mapping[str, Any]]


async def _each_runs(lab: Lab, calls: list[Call]) -> None:
    """One call a turn; each must reach the tool, which may say no but must be there and understand its input."""
    replies: list[Scripted] = []
    for name, given in calls:
        replies.append(tool_call(name, given))
        if name == "Agent":
            replies.append(text("From the subagent."))
    lab.host.script(script(*replies, text("All called.")))
    done = await lab.ask("call them all")
    assert (done.code, done.result["result"]) == (0, "All called."), done.stderr
    results = {block["tool_use_id"]: str(block["content"]) for block in done.tool_results}
    assert len(results) == len(calls)
    for (name, _), told in zip(calls, results.values(), strict=True):
        assert "No such tool" not in told, name
        assert "InputValidationError" not in told, (name, told)
        assert "__unparsedToolInput" not in told, name


async def test_every_tool_that_is_offered_at_once_runs(lab: Lab) -> None:
    path = str(lab.project / "a.txt")
    finding = {"file": "a.txt", "line": 1, "summary": "x", "failure_scenario": "y"}
    calls: list[Call] = [
        ("Write", {"file_path": path, "content": "one\n"}),
        ("Read", {"file_path": path}),
        ("Edit", {"file_path": path, "old_string": "one", "new_string": "two"}),
        ("Bash", {"command": "cat a.txt", "description": "x"}),
        ("Agent", {"description": "d", "prompt": "say hi", "run_in_background": False}),
        ("Skill", {"skill": "no-such-skill"}),
        ("ListAgents", {}),
        ("ReportFindings", {"findings": [finding]}),
        ("ScheduleWakeup", {"stop": True}),
        ("Workflow", {"name": "no-such-workflow"}),
        ("ToolSearch", {"query": "select:Monitor", "max_results": 2}),
    ]
    await _each_runs(lab, calls)
    offered = set(lab.host.asks[0].tools)
    assert offered <= {name for name, _ in calls}


async def test_every_deferred_tool_runs_but_those_of_the_web(lab: Lab) -> None:
    (lab.project / "n.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    calls: list[Call] = [
        ("CronCreate", {"cron": "7 3 * * *", "prompt": "hello", "recurring": False}),
        ("CronList", {}),
        ("CronDelete", {"id": "none"}),
        ("EnterWorktree", {}),
        ("ExitWorktree", {"action": "keep"}),
        ("Monitor", {"description": "d", "timeout_ms": 1000, "command": "true"}),
        ("NotebookEdit", {"notebook_path": str(lab.project / "n.ipynb"), "new_source": "1", "edit_mode": "insert"}),
        ("SendMessage", {"to": "nobody", "message": "hi"}),
        ("TaskStop", {"task_id": "none"}),
    ]
    await _each_runs(lab, calls)


def pdf(words: str) -> bytes:
    """One page."""
    stream = f"BT /F1 24 Tf 72 720 Td ({words}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", list[int]()
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    size = len(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    return out + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
