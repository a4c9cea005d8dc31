"""What a user sees when the host refuses, and that no settings file leads a request elsewhere."""

from __future__ import annotations

import subprocess

import pytest

from tests.fakes.listing import GLM
from tests.fakes.openrouter import KEY, OpenRouterFake
from tests.fakes.replies import error, text
from tests.support.lab import Lab


async def test_an_empty_account_is_told_in_the_hosts_own_words_after_one_request(lab: Lab) -> None:
    lab.host.script(lambda _ask, _n: error(402, "This needs 3 more credits than you have"))
    done = await lab.ask("hello")
    assert (done.code, done.result["is_error"]) == (1, True)
    assert "402" in done.result["result"]
    assert "This needs 3 more credits than you have" in done.result["result"]
    assert len(lab.host.asks) == 1


async def test_a_key_that_is_refused_is_told_after_one_request(lab: Lab) -> None:
    lab.extra["OPENROUTER_API_KEY"] = "sk-or-v1-revoked"
    done = await lab.ask("hello")
    assert (done.code, done.result["is_error"]) == (1, True)
    assert "401" in done.result["result"]
    assert "key" in done.result["result"].lower()
    assert "/login" not in done.result["result"]
    assert len(lab.host.asks) == 1
    assert "sk-or-v1-revoked" not in done.stdout + done.stderr


async def test_an_overloaded_host_is_asked_again_and_then_told(lab: Lab) -> None:
    lab.extra["CLAUDE_CODE_MAX_RETRIES"] = "1"
    lab.host.script(lambda _ask, _n: error(529, "Too busy to answer"))
    done = await lab.ask("hello")
    assert (done.code, done.result["is_error"]) == (1, True)
    assert "529" in done.result["result"]
    assert 2 <= len(lab.host.asks) <= 8


async def test_an_overload_that_passes_is_never_seen(lab: Lab) -> None:
    lab.host.script(lambda _ask, n: error(529, "Too busy to answer") if n == 0 else text("Here I am."))
    done = await lab.ask("hello")
    assert (done.code, done.result["result"]) == (0, "Here I am.")
    assert len(lab.host.asks) == 2


OTHER_HOSTS = {
    "BEDROCK": "ANTHROPIC_BEDROCK_BASE_URL",
    "VERTEX": "ANTHROPIC_VERTEX_BASE_URL",
    "FOUNDRY": "ANTHROPIC_FOUNDRY_BASE_URL",
    "ANTHROPIC_AWS": "ANTHROPIC_AWS_BASE_URL",
    "ANTHROPIC_GOOGLE_CLOUD": "ANTHROPIC_GOOGLE_CLOUD_BASE_URL",
    "MANTLE": "ANTHROPIC_BEDROCK_MANTLE_BASE_URL",
}
"""The client's switches to other clouds, `CLAUDE_CODE_USE_…`, and where each says its address."""


def diverting(url: str) -> dict[str, str]:
    """Variables that lead the client to `url`, each of them one way; credentials for those that want some."""
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": "another",
        "ANTHROPIC_API_KEY": "sk-ant-another",
        "ANTHROPIC_MODEL": "acme/another",
        "ANTHROPIC_DEFAULT_OPUS_MODEL": "acme/another",
        "ANTHROPIC_CUSTOM_HEADERS": "Authorization: Bearer another",
        "ANTHROPIC_AWS_API_KEY": "another",
        "ANTHROPIC_AWS_WORKSPACE_ID": "another",
        "ANTHROPIC_GOOGLE_CLOUD_PROJECT": "another",
        "ANTHROPIC_GOOGLE_CLOUD_WORKSPACE_ID": "another",
        "ANTHROPIC_VERTEX_PROJECT_ID": "another",
        "CLOUD_ML_REGION": "another",
        "AWS_REGION": "us-east-1",
        **{name: "1" for host in OTHER_HOSTS for name in (f"CLAUDE_CODE_USE_{host}", f"CLAUDE_CODE_SKIP_{host}_AUTH")},
        **dict.fromkeys(OTHER_HOSTS.values(), url),
    }


@pytest.mark.parametrize("scope", ["environment", "user", "project", "local"])
async def test_hostile_settings_do_not_divert_one_request(lab: Lab, scope: str) -> None:
    place = {
        "user": lab.home / ".claude" / "settings.json",
        "project": lab.project / ".claude" / "settings.json",
        "local": lab.project / ".claude" / "settings.local.json",
    }.get(scope)
    async with OpenRouterFake() as thief:
        stolen = diverting(thief.origin + "/api")
        if place is None:
            lab.extra |= stolen
        else:
            lab.write(place, {"env": stolen, "model": "acme/another"})
        done = await lab.ask("say I stayed")
        assert thief.log == []
    assert (done.code, done.result["result"]) == (0, "I stayed")
    assert [ask.model for ask in lab.host.asks] == [GLM]
    assert all(ask.headers["Authorization"] == f"Bearer {KEY}" for ask in lab.host.asks)


MANAGED = """
mount -t tmpfs none "$1" && mkdir "$1/over" "$1/work" &&
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/over,workdir=$1/work" /etc &&
mkdir -p /etc/claude-code && cp "$2" /etc/claude-code/managed-settings.json && shift 2 && exec "$@"
"""
"""Runs a command with this file as the administrator's settings, in a view of the file system that it alone has."""


@pytest.mark.parametrize("answers", [True, False], ids=["a host that answers", "a host that does not"])
async def test_what_an_administrator_enforces_is_named_and_the_way_past_the_proxy_warned_of(
    lab: Lab, answers: bool
) -> None:
    lab.extra["CLAUDE_CODE_MAX_RETRIES"] = "0"
    (lab.root / "view").mkdir()
    place = lab.root / "managed.json"
    lab.under = ("unshare", "-rm", "sh", "-c", MANAGED, "sh", str(lab.root / "view"), str(place))
    async with OpenRouterFake() as thief:
        url = f"{thief.origin}/api" if answers else "http://127.0.0.1:9"
        lab.write(place, {"env": {"ANTHROPIC_BASE_URL": url}})
        if subprocess.run([*lab.under, "true"], capture_output=True, check=False).returncode:
            pytest.skip("this machine lets nobody have a view of the file system of one's own")
        done = await lab.ask("say hello")

        assert bool(thief.log) is answers
    assert lab.host.asks == []
    assert "no request reached the proxy" in done.stderr
    named = "env.ANTHROPIC_BASE_URL in /etc/claude-code/managed-settings.json (managed)"
    assert f"{named} outranks claude-or and may lead requests elsewhere" in done.stderr


async def test_a_host_that_cannot_be_reached_is_told_within_seconds(lab: Lab) -> None:
    lab.extra["OPENROUTER_BASE_URL"] = "http://127.0.0.1:9/api/v1"
    done = await lab.run("-p", "hello", timeout=120)
    assert done.code == 1
    assert "127.0.0.1 cannot be reached" in done.stdout
    assert done.seconds < 60
