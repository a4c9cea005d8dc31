"""A configuration that changes under a running proxy, and a set-up without OpenRouter."""

from __future__ import annotations

import signal
from pathlib import Path

import aiohttp

from claude_or.errors import EXIT_KEY
from tests.fakes.openrouter import Ask
from tests.fakes.plain_host import plain_host
from tests.fakes.replies import Scripted, text
from tests.stories.conftest import World

TOKEN = "a-token-of-the-test"


def user_file(world: World) -> Path:
    """The user's own configuration."""
    path = world.home / ".config/claude-or/config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


async def test_an_edit_holds_from_the_next_request_and_a_broken_one_changes_nothing(world: World) -> None:
    path = user_file(world)
    path.write_text("models: {big: z-ai/glm-5.3, small: z-ai/glm-5.3}\n")
    running = await world.start(
        args=("serve",), CLAUDE_OR_TOKEN=TOKEN, LAB="a-key-of-the-lab", BIG_MODEL="", SMALL_MODEL=""
    )
    assert running.process.stdout
    url = (await running.process.stdout.readline()).decode().split()[-1]
    headers = {"authorization": f"Bearer {TOKEN}"}
    body = {"model": "opus", "max_tokens": 100, "stream": True, "messages": [{"role": "user", "content": "hi"}]}

    async with aiohttp.ClientSession(trust_env=False) as client, plain_host(key="a-key-of-the-lab") as lab:

        async def served_by() -> str:
            asked, heard = len(world.host.asks), len(lab.heard)
            async with client.post(f"{url}/v1/messages", json=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            return (
                world.host.asks[-1].model if len(world.host.asks) > asked else f"lab {lab.heard[heard].body['model']}"
            )

        assert await served_by() == "z-ai/glm-5.3"
        path.write_text("models: {big: openai/gpt-6.1-sol, small: z-ai/glm-5.3}\n")
        assert await served_by() == "openai/gpt-6.1-sol"
        path.write_text("models: {big: [not, a, model]}\n")
        assert await served_by() == "openai/gpt-6.1-sol"
        path.write_text(
            f"models: {{big: 'lab:tiny:1b'}}\nproviders: {{lab: {{base_url: '{lab.base_url}', key_variable: LAB}}}}\n"
        )
        assert await served_by() == "lab tiny:1b"
    running.signal(signal.SIGTERM)
    done = await running.done()
    logged = "".join(file.read_text() for file in (world.home / ".local/state/claude-or/logs").glob("*.jsonl"))
    assert "configuration applied" in logged
    assert "configuration not applied" in logged
    assert "models.big" in logged
    assert "a-key-of-the-lab" not in logged
    assert done.code == 0


async def test_an_edit_reaches_a_session_whose_client_keeps_asking_for_the_model_it_was_told(world: World) -> None:
    path = user_file(world)
    path.write_text("models: {big: z-ai/glm-5.3, small: z-ai/glm-5.3-flash}\n")
    edits = ["models: {big: openai/gpt-6.1-sol, small: z-ai/glm-5.3-flash}\n", "models: {big: [not, a, model]}\n"]

    def brain(_ask: Ask, n: int) -> Scripted:
        if edits:
            path.write_text(edits.pop(0))
        return text(f"answer {n}")

    world.host.script(brain)
    done = await world.run(["ask"], ["ask"], ["ask"], BIG_MODEL="", SMALL_MODEL="")
    assert done.code == 0, done.err
    assert [ask.model for ask in world.host.asks] == ["z-ai/glm-5.3", "openai/gpt-6.1-sol", "openai/gpt-6.1-sol"]
    assert "the last edit of the configuration was not applied: " in done.err


async def test_a_session_with_local_models_alone_needs_no_key_and_asks_openrouter_nothing(world: World) -> None:
    async with plain_host() as lab:
        user_file(world).write_text(
            f"models: {{big: 'ollama:tiny:1b'}}\nproviders: {{ollama: {{base_url: '{lab.base_url}'}}}}\n"
        )
        done = await world.run(["ask"], OPENROUTER_API_KEY="", BIG_MODEL="", SMALL_MODEL="")
        assert done.code == 0, done.err
        assert "window assumed for ollama:tiny:1b" in done.err
        assert {heard.headers.get("authorization") for heard in lab.heard} == {None}
    assert world.host.log == []


async def test_the_keys_of_other_hosts_stay_outside_too(world: World) -> None:
    async with plain_host(key="a-key-of-the-lab") as lab:
        user_file(world).write_text(
            f"models: {{big: 'lab:tiny:1b'}}\nproviders: {{lab: {{base_url: '{lab.base_url}', key_variable: LAB_LLM}}}}\n"
        )
        missing = await world.run(OPENROUTER_API_KEY="", BIG_MODEL="", SMALL_MODEL="")
        assert (missing.code, "LAB_LLM is not set" in missing.err) == (EXIT_KEY, True), missing.err
        running = await world.start(["ask"], LAB_LLM="a-key-of-the-lab", BIG_MODEL="", SMALL_MODEL="")
        told = await running.until_told()
        done = await running.done()
        assert done.code == 0, done.err
        assert "LAB_LLM" not in told["environment"]
        assert "a-key-of-the-lab" not in str(told)
