"""What a session notices about its surroundings is logged once and told at the end when it mattered."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_or.session import lookout
from claude_or.session.conflicts import Conflict
from claude_or.session.lookout import Lookout

OVERRULED = Conflict("user", "/home/me/.claude/settings.json", "env.ANTHROPIC_BASE_URL", wins=False)
ENFORCED = Conflict("managed", "/etc/claude-code/managed-settings.json", "model", wins=True)


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.warnings: list[tuple[str, dict[str, object]]] = []
        self.notes: list[tuple[str, dict[str, object]]] = []

    def warning(self, event: str, **more: object) -> None:
        self.warnings.append((event, more))

    def info(self, event: str, **more: object) -> None:
        self.notes.append((event, more))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    kept = Log()
    monkeypatch.setattr(lookout, "_log", kept)
    return kept


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "conflicts", lambda *_: [ENFORCED, OVERRULED])


@pytest.mark.usefixtures("both")
async def test_conflicts_are_logged_by_weight(log: Log) -> None:
    await Lookout({}, "/").look()

    assert [more["key"] for _, more in log.warnings] == ["model"]
    assert [(more["key"], more["file"]) for _, more in log.notes] == [
        ("env.ANTHROPIC_BASE_URL", "/home/me/.claude/settings.json")
    ]


@pytest.mark.usefixtures("both")
def test_the_end_tells_what_is_enforced_and_what_is_suspect_when_no_request_came() -> None:
    watch = Lookout({}, "/")

    assert watch.told(astray=False) == [str(ENFORCED)]
    assert watch.told(astray=True) == [str(ENFORCED), str(OVERRULED)]


def test_a_session_without_conflicts_tells_nothing(tmp_path: Path) -> None:
    assert Lookout({"HOME": str(tmp_path)}, str(tmp_path)).told(astray=True) == []


def test_a_client_that_was_not_tested_is_logged_once(log: Log) -> None:
    watch = Lookout({}, "/")
    for _ in range(3):
        watch.meet("claude-cli/99.0.1 (external, cli)")

    ((event, more),) = log.warnings
    assert event == "claude not tested"
    assert str(more["remark"]).startswith("Claude Code 99.0.1 is newer")


@pytest.mark.parametrize("agent", ["", "curl/8.0", "claude-cli/", "claude-cli/2.1.330 (external, sdk-cli)"])
def test_other_clients_are_not_remarked_on(log: Log, agent: str) -> None:
    Lookout({}, "/").meet(agent)

    assert log.warnings == []
