"""The commands about MCP servers, on files in a home of their own and real processes of the fake server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from claude_or.cli import mcp as work
from claude_or.cli import mcp_running
from claude_or.errors import ClaudeOrError
from claude_or.mcp.importing import import_servers
from tests.mcp.relayed import fake_command
from tests.support.mcp import alive, configure, started


@pytest.fixture
def place(environ: dict[str, str], cwd: str) -> work.Place:
    return work.Place(environ, cwd)


def home(place: work.Place) -> Path:
    """The user's home."""
    return Path(place.environ["HOME"])


def foreign(place: work.Place, *options: str) -> Path:
    """A server in the project's file."""
    path = Path(place.cwd) / ".claude-or.yaml"
    path.write_text(f"servers:\n  theirs: {{command: {json.dumps(list(fake_command(*options)))}}}\n", encoding="utf-8")
    return path


def test_a_server_is_tried_and_nothing_of_it_is_left(place: work.Place, tmp_path: Path) -> None:
    told_at = tmp_path / "told"
    configure(home(place), fake=("--tell", str(told_at), "--ignore-eof", "--ignore-term"))
    done = work.try_server("fake", place)

    assert done.exit_code == 0
    assert done.data["works"]
    assert (done.data["server"], done.data["version"]) == ("fake", "1")
    assert "echo" in done.data["tools"]
    assert len(started(told_at)) == 1
    assert alive(started(told_at)) == []


def test_a_failure_tells_step_command_exit_code_and_last_words(place: work.Place) -> None:
    place.environ["SECRET"] = "very-secret-value"  # type: ignore[index]
    configure(
        home(place),
        bad={
            "type": "command",
            "command": ["/bin/sh", "-c", "echo $$KEY is wrong >&2; exit 3"],
            "environment": {"KEY": "${SECRET}"},
        },
    )
    done = work.try_server("bad", place)

    assert done.exit_code == 1
    (finding,) = done.findings
    assert finding.text == "failed at initialize: it ended without an answer (exit code 3)"
    assert "very-secret-value" not in str(done)
    assert finding.detail.splitlines()[-1].endswith("is wrong")


def test_what_a_server_says_on_the_wrong_stream_is_told_too(place: work.Place) -> None:
    at_once = {"type": "command", "command": ["/bin/echo", "no licence at all"]}
    configure(
        home(place), bad=("--stdout", "no licence found", "--leave", "1"), at_once=at_once, loose=("--loose", "text")
    )
    (finding,) = work.try_server("at_once", place).findings
    assert finding.detail.splitlines()[-1] == "stdout: no licence at all"
    (finding,) = work.try_server("bad", place).findings
    assert finding.detail.splitlines()[-1] == "stdout: no licence found"
    assert work.try_server("loose", place).data["works"]


def test_a_missing_program_is_told(place: work.Place) -> None:
    configure(home(place), bad={"type": "command", "command": "no-such-program"})
    (finding,) = work.try_server("bad", place).findings
    assert finding.text.startswith("failed at start: No such file or directory: no-such-program")


def test_a_later_command_line_is_tried_when_the_first_ends(place: work.Place, tmp_path: Path) -> None:
    uvx = tmp_path / "uvx"
    uvx.write_text('#!/bin/sh\n[ $1 = --offline ] && exit 2\nshift 2\nexec "$@"\n', encoding="utf-8")
    uvx.chmod(0o700)
    command = [str(uvx), *fake_command()]
    configure(home(place), fake={"type": "python", "command": command, "python_version": "3.11"})
    done = work.try_server("fake", place)

    assert done.data["works"], done.findings
    assert list(done.data["command"][1:3]) == ["--python", "3.11"]


def test_the_list_shows_where_each_server_comes_from_and_whether_it_starts(place: work.Place) -> None:
    configure(
        home(place),
        one=(),
        far={"type": "http", "url": "https://example.org/mcp"},
        off={"type": "command", "command": "x", "enabled": False},
    )
    foreign(place)
    told = {row["name"]: (row["kind"], row["starts"]) for row in work.list_servers(place).data}

    assert told == {
        "one": ("supervised", True),
        "far": ("remote", True),
        "theirs": ("supervised", False),
        "off": ("disabled", False),
    }


def test_what_is_not_approved_is_not_even_tried(place: work.Place, tmp_path: Path) -> None:
    foreign(place, "--tell", str(tmp_path / "told"))
    with pytest.raises(ClaudeOrError, match="not approved"):
        work.try_server("theirs", place)
    warmed = work.warm((), place)
    assert warmed.data == []
    assert [(finding.check, finding.text.split(":")[0]) for finding in warmed.findings] == [("mcp theirs", "left out")]
    assert not (tmp_path / "told").exists()


def test_approving_shows_the_command_and_holds_until_the_file_changes(place: work.Place) -> None:
    path = foreign(place)
    seen: list[str] = []

    def answer(text: str) -> bool:
        seen.append(text)
        return True

    with pytest.raises(ClaudeOrError, match="no terminal"):
        work.trust(place, None)
    assert work.trust(place, lambda text: False).data[0]["approved"] is False
    assert work.trust(place, answer).data[0]["approved"] is True
    assert fake_command()[-1] in seen[0]
    assert work.try_server("theirs", place).data["works"]
    path.write_text(path.read_text() + "#\n", encoding="utf-8")
    with pytest.raises(ClaudeOrError, match="not approved"):
        work.try_server("theirs", place)
    work.trust(place, answer)
    work.trust(place, None, forget=True)
    assert not work.list_servers(place).data[0]["starts"]


CLAUDES: Mapping[str, Any] = {
    "mcpServers": {
        "git hub": {
            "command": "npx",
            "args": [
                "-y",
                "server-github",
                "cost $5",
                "--api-key",
                "s3cret",
                "--token=t0ken",
                "sk-or-v1-0123456789",
                "--x",
            ],
            "env": {"GITHUB_TOKEN": "ghp_0123456789abcdef", "LEVEL": "info"},
        },
        "docs": {"type": "http", "url": "https://example.org/mcp", "headers": {"Authorization": "Bearer abc.def"}},
        "kept": {"command": "uvx", "args": ["x"], "env": {"API_KEY": "${MY_KEY}"}, "cwd": "/srv", "autoApprove": ["a"]},
        "off": {"type": "sse", "url": "https://example.org/$x", "disabled": True},
        "broken": {"type": "ws", "url": "wss://x"},
    },
}


def test_claudes_json_becomes_a_file_that_loads_and_holds_no_secret(place: work.Place, tmp_path: Path) -> None:
    given = tmp_path / "claude.json"
    given.write_text(json.dumps(CLAUDES), encoding="utf-8")
    done = work.import_file(str(given), place, force=False, to=None)

    assert done.data["servers"] == ["git-hub", "docs", "kept", "off"]
    assert "kept: autoApprove did not come along; it means nothing here" in [found.text for found in done.findings]
    assert yaml.safe_load(done.data["text"])["servers"]["kept"]["cwd"] == "/srv"
    arguments = ["GIT_HUB_API_KEY", "GIT_HUB_TOKEN", "GIT_HUB_ARGUMENT"]
    assert done.data["variables"] == [*arguments, "GITHUB_TOKEN", "DOCS_AUTHORIZATION"]
    assert not any(secret in done.data["text"] for secret in ("s3cret", "t0ken", "sk-or"))
    assert "ghp_" not in done.data["text"]
    assert "abc.def" not in done.data["text"]
    place.environ.update(dict.fromkeys(arguments, "of-mine"))  # type: ignore[attr-defined]
    place.environ.update(GITHUB_TOKEN="t0ken-value", DOCS_AUTHORIZATION="other", MY_KEY="k")  # type: ignore[attr-defined]
    servers = {row["name"]: row for row in work.list_servers(place).data}
    assert servers["git-hub"]["command"] == (
        "npx --prefer-offline -y server-github 'cost $5' --api-key *** --token=*** *** --x"
    )
    assert servers["docs"]["kind"] == "remote"
    assert servers["off"]["kind"] == "disabled"
    with pytest.raises(ClaudeOrError, match="exists already"):
        work.import_file(str(given), place, force=False, to=None)


def test_a_projects_part_of_claudes_own_file_is_read() -> None:
    told = {"projects": {"/here": {"mcpServers": {"a": {"command": "x"}}}, "/there": {"mcpServers": {"b": {}}}}}
    assert import_servers(told, "/here", "f").names == ("a",)
    with pytest.raises(ValueError, match="no MCP servers"):
        import_servers({"other": 1}, "/here", "f")


def test_a_server_that_cannot_be_had_is_not_called_unknown(place: work.Place) -> None:
    configure(
        home(place),
        needs={"type": "command", "command": "x", "environment": {"A": "${NOT_SET}"}},
        off={"type": "command", "command": "x", "enabled": False},
    )
    for ask in (work.try_server, lambda name, place: work.warm((name,), place)):
        with pytest.raises(ClaudeOrError, match="NOT_SET is not set"):
            ask("needs", place)
        with pytest.raises(ClaudeOrError, match="off is switched off in"):
            ask("off", place)


def test_logs_are_shown_and_an_unknown_name_gets_a_hint(place: work.Place) -> None:
    folder = home(place) / ".local/state/claude-or/logs/mcp"
    folder.mkdir(parents=True)
    (folder / "fetch.log").write_text("one\ntwo\nthree\n", encoding="utf-8")

    assert mcp_running.logs("fetch", place.environ, 2).summary == "two\nthree"
    with pytest.raises(ClaudeOrError, match="did you mean fetch"):
        mcp_running.logs("fetsch", place.environ)


def test_following_a_log_goes_on_through_its_rotation(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\n", encoding="utf-8")
    written: list[str] = []
    waits = 0

    def wait() -> None:
        nonlocal waits
        waits += 1
        if waits == 1:
            with path.open("a", encoding="utf-8") as file:
                file.write("two\n")
        elif waits == 2:
            path.rename(tmp_path / "a.log.1")
            path.write_text("three\n", encoding="utf-8")
        elif waits == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mcp_running.follow(str(path), written.append, wait)
    assert "".join(written) == "two\nthree\n"
