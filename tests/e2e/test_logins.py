"""A user's own login and key: a session shows no dialog about them, uses neither, and leaves both as they were."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.e2e.test_interactive import ready
from tests.fakes.openrouter import KEY
from tests.support.lab import Lab

OAUTH = {
    "claudeAiOauth": {
        "accessToken": "sk-ant-oat01-synthetic",
        "refreshToken": "sk-ant-ort01-synthetic",
        "expiresAt": 4_102_444_800_000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
}
ACCOUNT = {"accountUuid": "00000000-0000-4000-8000-000000000001", "emailAddress": "somebody@example.com"}
API_KEY = "sk-ant-api03-synthetic-synthetic-0123456789"


@pytest.mark.parametrize(
    ("login", "key", "stored"),
    [
        (True, True, True),
        pytest.param(True, False, False, marks=pytest.mark.slow),
        pytest.param(False, True, False, marks=pytest.mark.slow),
        pytest.param(False, False, True, marks=pytest.mark.slow),
    ],
    ids=["all", "login", "key", "a key that a login stored"],
)
async def test_a_login_and_a_key_are_neither_asked_about_nor_used_nor_changed(
    lab: Lab, login: bool, key: bool, stored: bool
) -> None:
    credentials = lab.home / ".claude" / ".credentials.json"
    config = lab.home / ".claude.json"
    before: dict[str, Any] = msgspec.json.decode(config.read_bytes())
    theirs: dict[str, Any] = {}
    if login:
        lab.write(credentials, OAUTH)
        theirs["oauthAccount"] = ACCOUNT
    if key:
        lab.extra["ANTHROPIC_API_KEY"] = API_KEY
    if stored:
        theirs["primaryApiKey"] = API_KEY
    lab.write(config, before | theirs)
    credentials_before = credentials.read_bytes() if login else None

    async with lab.terminal() as terminal:
        await ready(terminal)
        await terminal.type_line("say hello")
        shown = await terminal.wait_for("● hello")
        await ready(terminal)
        await terminal.type_line("/exit")
        assert await terminal.exit_code() == 0

    for words in ("Auth conflict", "auth may not work", "API key?", "Log in", "/login", "/logout"):
        assert words not in shown
    assert (credentials.read_bytes() if login else None) == credentials_before
    after = msgspec.json.decode(config.read_bytes())
    assert {name: after.get(name) for name in theirs} == theirs
    assert "customApiKeyResponses" not in after
    assert [ask.headers["Authorization"] for ask in lab.host.asks] == [f"Bearer {KEY}"] * len(lab.host.asks)
    assert not any(b"synthetic" in ask.raw or "synthetic" in str(ask.headers) for ask in lab.host.log)
