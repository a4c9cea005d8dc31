"""Reading logs: the right file, the right lines, as they grow; and old ones go."""

from __future__ import annotations

import io
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from claude_or import log
from claude_or.cli.logs import Wanted, chosen, show
from claude_or.errors import ClaudeOrError


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def write(environ: dict[str, str], name: str, *entries: Any) -> Path:
    path = Path(environ["HOME"]) / ".local/state/claude-or/logs" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        for entry in entries:
            file.write((entry if isinstance(entry, str) else json.dumps(entry)) + "\n")
    return path


def entry(event: str, level: str = "info", **more: Any) -> dict[str, Any]:
    usual = {"timestamp": "2026-11-23T10:00:00.123Z", "level": level, "event": event, "logger": "proxy"}
    return {**usual, **more}


def shown(wanted: Wanted, environ: dict[str, str]) -> list[str]:
    out = io.StringIO()
    assert show(wanted, environ, out) == 0
    return out.getvalue().splitlines()


def test_the_newest_log_is_shown_a_line_for_each_event(environ: dict[str, str]):
    write(environ, "20261122-000000-1", entry("old"))
    write(environ, "20261123-000000-2", entry("request", slug="a/b", words="two words", n=3))
    (line,) = shown(Wanted(), environ)
    assert line == '10:00:00.123 info    proxy     request slug=a/b words="two words" n=3'


def test_lines_are_chosen_by_level_request_and_number(environ: dict[str, str]):
    write(
        environ,
        "20261123-000000-2",
        entry("a", "debug"),
        entry("b", request_id="req_1"),
        entry("c", "error", request_id="req_2"),
    )
    assert len(shown(Wanted(), environ)) == 2
    assert len(shown(Wanted(level="debug"), environ)) == 3
    assert " c " in shown(Wanted(level="warning"), environ)[0]
    assert [line.split()[3] for line in shown(Wanted(request="req_1"), environ)] == ["b"]
    assert len(shown(Wanted(level="debug", lines=1), environ)) == 1
    assert len(shown(Wanted(lines=0), environ)) == 0


def test_a_session_is_found_by_the_name_of_its_log_or_by_claudes_own_id(environ: dict[str, str]):
    first = write(environ, "20261122-000000-1", entry("request", session="5e55-1"))
    write(environ, "20261123-000000-2", entry("request", session="5e55-2"))
    assert chosen(Wanted(session="20261122"), environ) == str(first)
    assert chosen(Wanted(session="5e55-1"), environ) == str(first)
    with pytest.raises(ClaudeOrError) as caught:
        chosen(Wanted(session="none"), environ)
    assert "20261123-000000-2" in caught.value.hint


def test_a_traceback_stands_below_and_what_is_no_json_is_shown_as_it_is(environ: dict[str, str]):
    write(environ, "20261123-000000-2", entry("bug", "error", exception="Traceback\n  line"), "not json")
    lines = shown(Wanted(), environ)
    assert lines[1:] == ["Traceback", "  line", "not json"]


def test_prompts_and_answers_stand_below_as_text_and_command_no_terminal(environ: dict[str, str]):
    asked = [
        {"role": "user", "content": [{"type": "text", "text": "two\nlines\x1b[2J"}]},
        {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "found\x9b"}]}]},
    ]
    answered = [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "name": "Read", "input": {"path": "a"}}]
    said = {"logger": "content", "request_id": "req_1"}
    write(
        environ, "20261123-000000-2", entry("asked", content=asked, **said), entry("answered", content=answered, **said)
    )
    assert shown(Wanted(), environ) == [
        "10:00:00.123 info    content   asked request_id=req_1",
        "    user: two",
        "    lines\N{REPLACEMENT CHARACTER}[2J",
        "    user: [tool_result] found\N{REPLACEMENT CHARACTER}",
        "10:00:00.123 info    content   answered request_id=req_1",
        "    [thinking] hm",
        '    [tool_use Read] {"path": "a"}',
    ]


def test_for_programs_the_lines_stay_as_they_are(environ: dict[str, str]):
    write(environ, "20261123-000000-2", entry("a"))
    assert json.loads(shown(Wanted(as_json=True), environ)[0]) == entry("a")


def test_without_a_log_the_next_step_is_told(environ: dict[str, str]):
    for wanted in (Wanted(), Wanted(level="loud")):
        with pytest.raises(ClaudeOrError) as caught:
            show(wanted, environ, io.StringIO())
        assert caught.value.hint


def test_a_log_is_followed_as_it_grows_and_half_a_line_waits_for_its_end(environ: dict[str, str]):
    path = write(environ, "20261123-000000-2", entry("first"))
    out = io.StringIO()
    over = threading.Event()
    reader = threading.Thread(target=lambda: show(Wanted(), environ, out, follow=True, over=over.is_set))
    reader.start()
    whole = json.dumps(entry("second")) + "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(whole[:20])
        file.flush()
        _until(lambda: "first" in out.getvalue())
        file.write(whole[20:])
        file.flush()
    _until(lambda: "second" in out.getvalue())
    over.set()
    reader.join(10)
    assert len(out.getvalue().splitlines()) == 2


def _until(holds: Any) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_old_logs_are_removed_by_number_and_size_but_never_the_one_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(log, "FILES_MOST", 3)
    monkeypatch.setattr(log, "FOLDER_MOST", 250)
    paths = [tmp_path / f"{n}.jsonl" for n in range(6)]
    for age, path in enumerate(paths):
        path.write_bytes(b"x" * 100)
        os.utime(path, (1_000 + age, 1_000 + age))
    (tmp_path / "crash-1.txt").write_text("kept")
    removed = log.prune(str(tmp_path), keep=str(paths[0]))
    assert sorted(removed) == sorted(str(path) for path in paths[1:4])
    assert paths[0].exists()
    assert (tmp_path / "crash-1.txt").exists()
    assert log.prune(str(tmp_path / "none")) == []


def test_a_log_that_grows_too_long_begins_anew_and_keeps_one_older_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(log, "FILE_MOST", 50)
    file = log.LogFile(str(tmp_path / "a.jsonl"))
    for n in range(10):
        file.msg(b"%d" % n * 20)
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.1"]
    kept = (tmp_path / "a.jsonl.1").read_bytes() + (tmp_path / "a.jsonl").read_bytes()
    assert kept.endswith(b"9" * 20 + b"\n")
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
