"""What goes wrong before or around a session, as its user meets it: what happened, what to do, a documented code, no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.stories.conftest import Done, World


def told(done: Done, code: int, *words: str) -> None:
    """Two lines or more on stderr, nothing on stdout."""
    assert (done.code, done.out) == (code, "")
    assert "Traceback" not in done.err
    first, *_, last = done.err.splitlines()
    assert first.startswith("claude-or: ")
    assert last.startswith("  → ")
    for word in words:
        assert word in done.err, done.err


async def test_no_key(world: World) -> None:
    told(await world.run(OPENROUTER_API_KEY=""), 77, "no OpenRouter API key", "export OPENROUTER_API_KEY=")
    assert world.run_folders == []


async def test_a_key_that_cannot_be_one_is_not_shown(world: World) -> None:
    done = await world.run(OPENROUTER_API_KEY="sk-or-v1-with a space")

    told(done, 77, "OPENROUTER_API_KEY")
    assert "with a space" not in done.err


async def test_no_claude(world: World) -> None:
    told(await world.run(CLAUDE_OR_CLAUDE="", PATH="/nonexistent"), 127, "not found", "install-claude")


async def test_a_binary_that_is_none(world: World) -> None:
    text = world.folder / "no-program"
    text.write_text("hello", encoding="utf-8")

    told(await world.run(CLAUDE_OR_CLAUDE=str(text)), 127, str(text), "Correct CLAUDE_OR_CLAUDE")


async def test_a_binary_for_another_machine(world: World) -> None:
    binary = world.folder / "claude"
    binary.write_bytes(b"\x7fELF not for here")
    binary.chmod(0o755)

    told(await world.run(CLAUDE_OR_CLAUDE=str(binary)), 127, str(binary))
    assert world.run_folders == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("modles:\n  big: a/b\n", ("config.yaml:1", "modles", "did you mean models?")),
        ("models:\n  bgi: a/b\n", ("config.yaml:2", "models.bgi", "big")),
        ("models:\n\tbig: a/b\n", ("config.yaml:2", "tab")),
        ("limits:\n  attempts: many\n", ("config.yaml:2", "limits.attempts", "whole number")),
        ("models: [", ("config.yaml:", "not valid YAML")),
    ],
    ids=["section", "key", "tab", "type", "syntax"],
)
async def test_a_broken_configuration(world: World, text: str, words: tuple[str, ...]) -> None:
    file = world.home / ".config" / "claude-or" / "config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")

    told(await world.run(), 78, *words)


async def test_a_project_cannot_redirect_the_key(world: World) -> None:
    (world.project / ".claude-or.yaml").write_text(
        "openrouter:\n  base_url: https://evil.example/v1\n", encoding="utf-8"
    )

    told(await world.run(), 78, ".claude-or.yaml:2", "openrouter.base_url")
    assert world.host.log == []


async def test_a_key_is_never_sent_in_the_clear(world: World) -> None:
    told(await world.run(OPENROUTER_BASE_URL="http://example.org/api/v1"), 78, "OPENROUTER_BASE_URL", "https")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--big",), ("--big needs a value",)),
        (("--big", "nonsense"), ("--big", "nonsense")),
        (("--profile", "cheap"), ("no profile 'cheap'",)),
        (("--log-level", "loud"), ("--log-level", "debug")),
        (("-p", "--bg", "hi"), ("--bg", "background")),
        (("-p", "--settings", "{not json", "hi"), ("--settings", "JSON")),
        (("-p", "--settings", "/nonexistent.json", "hi"), ("--settings", "/nonexistent.json")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
async def test_a_command_line_that_cannot_be_meant(world: World, args: tuple[str, ...], words: tuple[str, ...]) -> None:
    done = await world.run(args=args)

    told(done, done.code, *words)
    assert done.code in {64, 78}
    assert world.run_folders == []


async def test_a_host_that_cannot_be_reached_is_told_by_name(world: World) -> None:
    done = await world.run(["ask"], OPENROUTER_BASE_URL="http://127.0.0.1:9/api/v1")

    assert done.code != 0
    assert "no list of models, windows by facts of 2026-" in done.err
    done = await world.run(["ask"], OPENROUTER_BASE_URL="http://127.0.0.1:9/api/v1", BIG_MODEL="acme/unheard-of")
    assert "window assumed for acme/unheard-of" in done.err


async def test_a_session_without_any_request_in_print_mode_is_suspicious(world: World) -> None:
    done = await world.run(["exit", 0])

    assert "no request reached the proxy, so claude may have used another host" in done.err
    for args in (("prompt",), ("-p", "--help"), ("-p", "--version")):
        assert "no request" not in (await world.run(["exit", 0], args=args)).err


async def test_a_client_that_failed_without_any_request_may_have_been_refused_elsewhere(world: World) -> None:
    settings = world.home / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text('{"env": {"ANTHROPIC_BASE_URL": "https://elsewhere.example"}}', encoding="utf-8")

    done = await world.run(["exit", 1])

    assert "no request reached the proxy" in done.err
    assert f"env.ANTHROPIC_BASE_URL in {settings}" in done.err
    assert "no request" not in (await world.run(["die", 15])).err


async def test_settings_that_did_not_count_are_named_in_summary_log_and_figures(world: World) -> None:
    settings = world.home / ".claude" / "settings.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(
        '{"env": {"ANTHROPIC_BASE_URL": "https://elsewhere.example"}, "model": "opus"}', encoding="utf-8"
    )
    figures = world.folder / "figures.json"

    done = await world.run(["ask"], args=("--summary-json", str(figures), "-p", "hi"))

    named = f"model, env.ANTHROPIC_BASE_URL in {settings} (user)"
    assert f"claude-or: set aside for this session: {named}\n" in done.err
    told = json.loads(figures.read_text(encoding="utf-8"))["settings_in_conflict"]
    assert told[0] == {"scope": "user", "file": str(settings), "key": "model", "wins": False}
    assert [each["key"] for each in told] == ["model", "env.ANTHROPIC_BASE_URL"]
    (log,) = (world.home / ".local/state/claude-or/logs").glob("*.jsonl")
    assert "env.ANTHROPIC_BASE_URL" in log.read_text(encoding="utf-8")
    assert "elsewhere.example" not in done.err + log.read_text(encoding="utf-8")


async def test_the_summary_can_be_turned_off_and_written_to_a_file(world: World) -> None:
    figures = world.folder / "figures.json"
    done = await world.run(["ask"], args=("--quiet", "--summary-json", str(figures), "-p", "hi"))

    assert (done.code, done.err) == (0, "")
    assert '"calls":1' in figures.read_text(encoding="utf-8")


async def test_a_dry_run_shows_everything_but_secrets_and_starts_nothing(world: World) -> None:
    settings = '{"env": {"OTHER_API_KEY": "another-secret", "COLOR": "blue"}}'
    done = await world.run(["ask"], args=("--dry-run", "-p", "--settings", settings, "hi"))

    assert done.code == 0
    assert '"COLOR": "blue"' in done.out
    assert "another-secret" not in done.out
    assert "ANTHROPIC_MODEL=z-ai/glm-5.3" in done.out
    assert "sk-or-v1-a-key-of-the-tests" not in done.out + done.err
    assert world.host.asks == []
    assert not Path(world.folder / "told-1").exists()


async def test_serve_answers_its_token_until_it_is_ended(world: World) -> None:
    import signal

    import aiohttp

    running = await world.start(args=("serve",), CLAUDE_OR_TOKEN="a-token-of-the-test")
    assert running.process.stdout
    line = (await running.process.stdout.readline()).decode()
    url = line.split()[-1]
    body = {"model": "z-ai/glm-5.3", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
    async with aiohttp.ClientSession() as client:
        async with client.post(f"{url}/v1/messages", json=body, headers={"x-api-key": "a-token-of-the-test"}) as answer:
            message = await answer.json()
        async with client.post(f"{url}/v1/messages", json=body, headers={"x-api-key": "another"}) as answer:
            refused = answer.status
    running.signal(signal.SIGTERM)
    done = await running.done()

    assert message["content"][0]["text"] == "Hello from the host."
    assert refused == 401
    assert done.code == 0
