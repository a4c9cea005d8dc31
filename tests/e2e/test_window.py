"""The model's real window as the client lives by it: when it compacts, how it recovers, how much it may ask for."""

from __future__ import annotations

import pytest

from tests.fakes.listing import GLM, SMALL, listed
from tests.fakes.openrouter import Ask
from tests.fakes.replies import Reply, Scripted, Tokens, error, overflow, stream_error, text, tool_call
from tests.support.lab import Lab

SUMMARY = "<summary>They looked at the folder.</summary>"


def model_with(lab: Lab, window: int, output: int = 128_000) -> None:
    """Let the host list the main model with this window and output limit, in tokens."""
    lab.host.models = [
        listed(SMALL, context=262_144, max_output=65_536),
        listed(GLM, context=window, max_output=output),
    ]


def wants_summary(ask: Ask) -> bool:
    """Whether the client asks for the summary of its history. Some versions put a system message behind that order."""
    newest = [str(message.get("content")) for message in ask.messages[-3:] if message["role"] == "user"]
    return any("<summary>" in words for words in newest)


class Growing:
    """Calls a tool a turn and reports these prompt sizes, one after the other; says it is done when they are used up."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)
        self.told: list[int | str] = []
        """What happened, in order: a size that was reported, or `summary`."""

    def __call__(self, ask: Ask, _n: int) -> Scripted:
        if wants_summary(ask):
            self.told.append("summary")
            return text(SUMMARY)
        if not self.sizes:
            return text("Done.")
        size = self.sizes.pop(0)
        self.told.append(size)
        call = tool_call("Bash", {"command": f"echo size {size}", "description": "x"})
        return Reply([call], usage=Tokens(prompt=size, completion=20))


@pytest.mark.parametrize(
    ("window", "earliest"), [(65_536, 0.73), pytest.param(131_072, 0.73, marks=pytest.mark.slow), (200_000, 0.83)]
)
async def test_the_client_compacts_late_but_before_the_limit_and_goes_on(
    lab: Lab, window: int, earliest: float
) -> None:
    model_with(lab, window)
    # The client adds its guess of a new tool result to what was reported, so a little room below the share.
    below, above = int(window * earliest) - 300, int(window * 0.85)
    growing = Growing(below // 2, below, above, 20_000)
    lab.host.script(growing)

    done = await lab.ask("look around")

    assert (done.code, done.result["result"]) == (0, "Done."), done.stdout[-2000:]
    assert growing.told == [below // 2, below, above, "summary", 20_000]
    assert done.result["modelUsage"][GLM]["contextWindow"] == window
    after = lab.host.asks[growing.told.index("summary") + 1]
    assert "They looked at the folder." in str(after.messages)


KNOWN = "anthropic/claude-sonnet-4.6"
"""A model that every version of the client knows, as one with 200,000 tokens."""


@pytest.mark.parametrize(("window", "below", "above"), [(128_000, 93_000, 100_000), (1_000_000, 960_000, 970_000)])
async def test_a_model_that_the_client_knows_compacts_by_its_real_window_all_the_same(
    lab: Lab, window: int, below: int, above: int
) -> None:
    lab.extra["BIG_MODEL"] = KNOWN
    lab.host.models = [
        listed(SMALL, context=262_144, max_output=65_536),
        listed(KNOWN, context=window, max_output=128_000),
    ]
    growing = Growing(below // 2, below, above, 20_000)
    lab.host.script(growing)

    done = await lab.ask("look around")

    assert (done.code, done.result["result"]) == (0, "Done."), done.stdout[-2000:]
    assert growing.told == [below // 2, below, above, "summary", 20_000]
    assert {ask.model for ask in lab.host.asks} == {KNOWN}


class Full:
    """Three turns, then refuses what is longer than a summary of it, in one of two ways."""

    def __init__(self, refusal: Scripted) -> None:
        self.refusal = refusal
        self.turns = 0
        self.refused = 0
        self.summaries = 0

    def __call__(self, ask: Ask, _n: int) -> Scripted:
        if wants_summary(ask):
            self.summaries += 1
            return text(SUMMARY)
        if self.summaries:
            return text("Finished after all.")
        if self.turns < 3:
            self.turns += 1
            return tool_call("Bash", {"command": f"echo turn {self.turns}", "description": "x"})
        self.refused += 1
        return self.refusal


TOO_LONG = "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens."


@pytest.mark.parametrize(
    "refusal",
    [overflow(131_072, 140_000), stream_error(400, TOO_LONG, error_type="context_length_exceeded")],
    ids=["json", "mid-stream"],
)
async def test_a_host_that_finds_the_prompt_too_long_gets_a_summary_and_the_turn_is_finished(
    lab: Lab, refusal: Scripted
) -> None:
    model_with(lab, 131_072)
    full = Full(refusal)
    lab.host.script(full)

    done = await lab.ask("look around")

    assert (done.code, done.result["result"]) == (0, "Finished after all."), done.stdout[-2000:]
    assert full.summaries == 1
    assert 1 <= full.refused <= 2
    assert any(event.get("subtype") == "compact_boundary" for event in done.events)


async def test_a_host_with_room_for_a_shorter_answer_only_is_asked_for_that_and_nothing_is_summed_up(lab: Lab) -> None:
    model_with(lab, 200_000)
    words = (
        "This endpoint's maximum context length is 65536 tokens. However, you requested about 72000 tokens (40000 of text input, "
        "32000 in the output)."
    )
    lab.host.script(lambda ask, _n: error(400, words) if ask.body["max_tokens"] > 25_536 else text("Here it is."))

    done = await lab.ask("look around")

    assert (done.code, done.result["result"]) == (0, "Here it is."), done.stdout[-2000:]
    assert [ask.body["max_tokens"] for ask in lab.host.asks] == [32_000, 25_072]


async def test_a_window_that_is_too_small_is_said_plainly_and_the_prompt_is_answered_all_the_same(lab: Lab) -> None:
    model_with(lab, 32_768, output=16_384)

    done = await lab.ask("say hello")

    assert (done.code, done.result["result"]) == (0, "hello"), done.stdout[-2000:]
    assert f"claude-or: {GLM} has a window of 32k tokens, too small for Claude Code" in done.stderr
    assert "Choose a model with 64k or more" in done.stderr
    assert done.result["modelUsage"][GLM]["contextWindow"] == 32_768


async def test_what_the_client_asks_for_stays_within_the_models_output_limit(lab: Lab) -> None:
    model_with(lab, 200_000, output=48_000)
    lengths = 0

    def brain(_ask: Ask, _n: int) -> Scripted:
        nonlocal lengths
        lengths += 1
        return Reply([text("The first half")], finish="length") if lengths == 1 else text("and the second.")

    lab.host.script(brain)

    done = await lab.ask("write much")

    assert (done.code, done.result["result"]) == (0, "and the second."), done.stdout[-2000:]
    asked = [ask.body["max_tokens"] for ask in lab.host.asks]
    assert asked[0] == 32_000
    assert all(32_000 <= tokens <= 48_000 for tokens in asked)
