"""Words in and words out: print mode, its output formats, a conversation taken up again."""

from __future__ import annotations

import msgspec
import pytest

from tests.fakes.listing import GLM, SONNET
from tests.fakes.openrouter import script
from tests.fakes.replies import Reply, Tokens, reasoning, text, tool_call
from tests.support.lab import Lab


async def test_a_prompt_is_answered_and_stdout_holds_the_answer_alone(lab: Lab) -> None:
    lab.host.script(script([reasoning("Let me think."), text("Grüße aus dem Modell: 漢字 🙂", cut="each")]))
    done = await lab.run("-p", "hello there")
    assert (done.code, done.stdout) == (0, "Grüße aus dem Modell: 漢字 🙂\n")
    ask = lab.host.asks[0]
    assert ask.model == GLM
    assert ask.body["stream"] is True
    assert "hello there" in str(ask.messages)


async def test_a_prompt_that_is_piped_in_is_answered(lab: Lab) -> None:
    done = await lab.run("-p", stdin="say piped through")
    assert (done.code, done.stdout) == (0, "piped through\n")


async def test_json_output_tells_the_answer_and_the_usage(lab: Lab) -> None:
    used = Tokens(prompt=12_000, completion=34, cached=2_000)
    lab.host.script(script(Reply([text("forty-two")], usage=used)))
    done = await lab.run("-p", "--output-format", "json", "question")
    assert done.code == 0
    told = msgspec.json.decode(done.stdout)
    assert (told["subtype"], told["is_error"], told["result"]) == ("success", False, "forty-two")
    usage = told["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (10_000, 2_000, 34)
    assert list(told["modelUsage"]) == [GLM]


async def test_a_resumed_session_knows_what_was_said(lab: Lab) -> None:
    lab.host.script(script([reasoning("Blue, then."), text("I will remember blue.")]))
    first = await lab.ask("my colour is blue")
    lab.host.script(script(text("It was blue.")))
    second = await lab.ask("what was it?", "--resume", first.result["session_id"])
    assert (second.code, second.result["result"]) == (0, "It was blue.")
    assert second.result["session_id"] == first.result["session_id"]
    spoken = [(m["role"], str(m.get("content"))) for m in lab.host.asks[-1].messages]
    order = [
        next(i for i, (role, said) in enumerate(spoken) if role == wanted and words in said)
        for wanted, words in [
            ("user", "my colour is blue"),
            ("assistant", "I will remember blue."),
            ("user", "what was it?"),
        ]
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("slug", [GLM, SONNET], ids=["chat", "native"])
async def test_betas_and_fields_that_nobody_knows_yet_do_not_break_a_session(lab: Lab, slug: str) -> None:
    new = {"never_heard_of": {"mode": "later"}, "context_hints": [{"kind": "unheard", "keep": 3}]}
    lab.extra |= {
        "BIG_MODEL": slug,
        "ANTHROPIC_BETAS": "never-heard-of-2029-01-01",
        "CLAUDE_CODE_EXTRA_BODY": msgspec.json.encode(new).decode(),
    }
    lab.host.script(script(tool_call("Bash", {"command": "echo still here", "description": "x"}), text("Yes.")))

    done = await lab.ask("are you there?")

    assert (done.code, done.result["result"]) == (0, "Yes."), done.stdout[-2000:]
    assert "still here" in str(done.tool_results[0]["content"])
    assert len(lab.host.asks) == 2
