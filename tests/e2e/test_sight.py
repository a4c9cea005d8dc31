"""Pictures and PDFs that the real client reads, on a model that sees nothing and a host that opens nothing."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from tests.e2e.test_hosts import configure
from tests.fakes.listing import GEMINI, GLM, SMALL
from tests.fakes.openrouter import Ask
from tests.fakes.papers import pdf_bytes, png
from tests.fakes.plain_host import Say, plain_host
from tests.fakes.replies import Scripted, text, tool_call
from tests.support.lab import Lab


def result_in(messages: list[dict[str, Any]]) -> str:
    """What the history tells behind the last call."""
    last = max(n for n, message in enumerate(messages) if message.get("tool_calls"))
    return str(messages[last + 1 :])


async def test_a_picture_that_the_client_reads_is_told_in_words_to_a_model_without_eyes(lab: Lab) -> None:
    configure(lab, f"models: {{big: {GLM}, small: {SMALL}, vision: {GEMINI}}}\n")
    (lab.project / "dot.png").write_bytes(base64.b64decode(png(90, 64)))
    steps = [tool_call("Read", {"file_path": str(lab.project / "dot.png")}), text("A grey square.")]

    def brain(ask: Ask, _n: int) -> Scripted:
        if ask.model == GEMINI:
            return text("A plain grey square without any text.")
        return steps.pop(0) if ask.body.get("tools") else text("Aside.")

    lab.host.script(brain)
    done = await lab.ask("what is in dot.png?")
    assert (done.code, done.result["result"]) == (0, "A grey square."), done.stderr
    (eyes,) = [ask for ask in lab.host.asks if ask.model == GEMINI]
    (part,) = [part for part in eyes.messages[-1]["content"] if part["type"] == "image_url"]
    assert part["image_url"]["url"].startswith("data:image/")
    told = [ask for ask in lab.host.asks if ask.model == GLM][-1]
    assert "A plain grey square without any text." in result_in(told.messages)
    assert "base64" not in str(told.messages)
    assert GEMINI in done.stderr, "the summary names who was asked"

    steps.append(text("Grey, as I said."))
    later = await lab.ask("which colour?", "--continue")
    assert (later.code, later.result["result"]) == (0, "Grey, as I said."), later.stderr
    assert [ask.model for ask in lab.host.asks].count(GEMINI) == 1, "a resumed conversation knows the picture"
    resumed = [ask for ask in lab.host.asks if ask.model == GLM][-1]
    words = result_in(told.messages)
    assert words[1:-1] in str(resumed.messages), "and tells it in the same words, so that the cache holds"
    logs = lab.home / ".local/state/claude-or/logs"
    calls = [msgspec.json.decode(line) for file in logs.glob("*.jsonl") for line in file.read_bytes().splitlines()]
    assert [line["slug"] for line in calls if line["event"] == "picture described"] == [GEMINI]
    assert "grey square" not in str(calls)


async def test_a_pdf_that_the_client_reads_is_told_as_text_to_a_host_that_opens_none(lab: Lab) -> None:
    (lab.project / "page.pdf").write_bytes(pdf_bytes("Zebras have stripes."))
    script = [Say(calls=[("Read", {"file_path": str(lab.project / "page.pdf")})]), Say("It is about zebras.")]
    async with plain_host(script=script) as local:
        configure(
            lab,
            "models: {big: 'ollama:tiny:1b'}\n"
            f"providers: {{ollama: {{base_url: '{local.base_url}', models: {{'tiny:1b': {{context_window: 150000}}}}}}}}\n",
        )
        lab.extra |= {"OPENROUTER_API_KEY": ""}
        done = await lab.ask("what is in page.pdf?")
        assert (done.code, done.result["result"].strip()) == (0, "It is about zebras."), done.stderr
        assert "Zebras have stripes." in result_in(local.heard[-1].body["messages"])
