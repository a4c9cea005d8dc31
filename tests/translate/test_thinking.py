"""How much is thought, and what earlier answers thought."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from claude_or.translate.losses import Losses
from claude_or.translate.profiles import ModelFacts, ModelProfile, profile_for
from claude_or.translate.reasoning import pack
from claude_or.translate.request import to_chat
from claude_or.translate.thinking import reasoning_wanted
from claude_or.wire.anthropic import BadRequest, decode_request
from tests.translate.rows import shows
from tests.translate.shapes import assistant, body, chat, losses, order, result, system, use, user

PLAIN = ModelProfile(reasons=True)
BUDGET = ModelProfile(reasons=True, budget=True)
ENABLED = {"type": "enabled", "budget_tokens": 2000}
ADAPTIVE = {"type": "adaptive", "display": "updates"}


def asked(profile: ModelProfile, *sent: dict[str, Any], **more: Any) -> Any:
    """The `reasoning` object for a request with these fields."""
    return chat(body(*(sent or (user("hi"),)), **{"max_tokens": 32_000, **more}), profile=profile).get("reasoning")


@shows("field thinking")
def test_a_budget_is_sent_as_tokens_or_as_effort_and_never_as_both() -> None:
    config = {"effort": "low"}
    assert asked(BUDGET, thinking=ENABLED) == {"max_tokens": 2000}
    assert asked(BUDGET, thinking=ENABLED, output_config=config) == {"max_tokens": 2000}
    assert "effort" in losses(body(max_tokens=3000, thinking=ENABLED, output_config=config), profile=BUDGET)
    for budget, effort in ((1024, "low"), (4096, "low"), (4097, "medium"), (16_384, "medium"), (31_999, "high")):
        assert asked(PLAIN, thinking={"type": "enabled", "budget_tokens": budget}) == {"effort": effort}
    assert asked(PLAIN, thinking=ENABLED, output_config={"effort": "max"}) == {"effort": "max"}
    assert "thinking_budget" in losses(body(max_tokens=3000, thinking=ENABLED), profile=PLAIN)


@shows("field thinking")
def test_a_budget_stays_below_the_clamped_output_and_the_host_s_most() -> None:
    small = msgspec.structs.replace(BUDGET, max_output=8000)
    assert asked(small, thinking={"type": "enabled", "budget_tokens": 31_999}) == {"max_tokens": 4000}
    assert asked(msgspec.structs.replace(BUDGET, max_output=1000), thinking=ENABLED) == {"effort": "low"}
    big = {"type": "enabled", "budget_tokens": 200_000}
    assert asked(BUDGET, thinking=big, max_tokens=300_000) == {"max_tokens": 128_000}


def test_a_budget_that_was_legal_stays_so_when_less_can_be_paid() -> None:
    request = decode_request(
        msgspec.json.encode(body(max_tokens=32_000, thinking={**ENABLED, "budget_tokens": 31_999}))
    )
    affordable = msgspec.structs.replace(request, max_tokens=3000)

    def sent(profile: ModelProfile) -> Any:
        return msgspec.json.decode(to_chat(affordable, profile, slug="m").body)

    assert (sent(BUDGET)["max_tokens"], sent(BUDGET)["reasoning"]) == (3000, {"max_tokens": 1500})
    assert (sent(PLAIN)["max_tokens"], sent(PLAIN)["reasoning"]) == (3000, {"effort": "high"})


@shows("field thinking", "field output_config.effort")
def test_adaptive_thinking_is_steered_by_the_effort() -> None:
    assert asked(PLAIN, thinking=ADAPTIVE, output_config={"effort": "medium"}) == {"effort": "medium"}
    assert asked(PLAIN, thinking=ADAPTIVE) == {"enabled": True}
    assert asked(PLAIN, thinking=ADAPTIVE, output_config={"effort": None}) == {"enabled": True}


@shows("field output_config.effort")
@pytest.mark.parametrize(
    ("efforts", "wanted", "sent"),
    [
        (None, "max", "max"),
        (("xhigh", "high", "medium", "low"), "max", "xhigh"),
        (("max", "high", "low"), "xhigh", "high"),
        (("max", "high", "low"), "medium", "low"),
        (("high", "medium"), "low", "medium"),
        (("high", "minimal"), "low", "minimal"),
        (("none",), "low", "low"),
        ((), "low", "low"),
    ],
)
def test_a_level_that_the_model_lacks_becomes_the_next_lower_one(
    efforts: tuple[str, ...] | None, wanted: str, sent: str
) -> None:
    profile = ModelProfile(reasons=True, efforts=efforts)
    assert asked(profile, thinking=ADAPTIVE, output_config={"effort": wanted}) == {"effort": sent}
    assert ("effort" in losses(body(thinking=ADAPTIVE, output_config={"effort": wanted}), profile=profile)) == (
        sent != wanted
    )


@shows("field output_config.effort", "list system_in_the_middle")
def test_the_newest_effort_of_the_conversation_holds() -> None:
    turns = (
        user("a"),
        system("x", output_config={"effort": "low"}),
        user("b"),
        system(None, output_config={"effort": "max"}),
    )
    more = {"thinking": ADAPTIVE, "output_config": {"effort": "medium"}}
    assert asked(PLAIN, *turns, **more) == {"effort": "max"}
    assert asked(PLAIN, *turns[:2], **more) == {"effort": "low"}


@shows("field thinking")
@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}, {"type": "between_tools"}], ids=str)
def test_thinking_that_is_off_is_switched_off_where_that_is_possible(thinking: dict[str, Any] | None) -> None:
    more: dict[str, Any] = {"thinking": thinking, "output_config": {"effort": "high"}}
    assert asked(PLAIN, **more) == {"enabled": False}
    assert asked(ModelProfile(reasons=True, efforts=("high", "none")), **more) == {"effort": "none"}
    assert asked(ModelProfile(reasons=True, mandatory_reasoning=True, efforts=("max", "low")), **more) == {
        "effort": "low"
    }
    assert asked(ModelProfile(reasons=True, mandatory_reasoning=True), **more) is None
    assert asked(ModelProfile(reasons=None), **more) is None
    assert "effort" in losses(body(**more), profile=PLAIN)
    must = ModelProfile(reasons=True, mandatory_reasoning=True)
    assert "thinking_off" in losses(body(**more), profile=must)


@shows("field thinking")
def test_a_model_that_does_not_reason_is_not_asked_to() -> None:
    mute = profile_for("meta-llama/llama-4", ModelFacts(reasons=False))
    more = {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}
    assert asked(mute, **more) is None
    assert {"thinking", "effort"} <= losses(body(**more), profile=mute)
    assert not {"thinking", "effort"} & losses(body(), profile=mute)
    assert not {"thinking", "effort"} & losses(body(thinking={"type": "disabled"}), profile=mute)


def test_a_plain_host_is_told_the_effort_alone() -> None:
    local = profile_for("qwen3:8b", None, openrouter=False)
    sent = chat(body(thinking=ADAPTIVE, output_config={"effort": "low"}), profile=local)
    assert (sent["reasoning_effort"], "reasoning" in sent) == ("low", False)
    quiet = chat(body(thinking=ADAPTIVE), profile=local)
    assert not {"reasoning", "reasoning_effort"} & set(quiet)


@shows("field thinking")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"thinking": {"type": "pondering"}},
            "thinking.type: Input should be 'enabled', 'adaptive', 'disabled' or 'between_tools'",
        ),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens: Field required"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": "9"}},
            "thinking.budget_tokens: Input should be a valid integer",
        ),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1023}},
            "thinking.budget_tokens: Input should be greater than or equal to 1024",
        ),
        (
            {"thinking": ENABLED, "max_tokens": 2000},
            "max_tokens: `max_tokens` must be greater than `thinking.budget_tokens`",
        ),
        (
            {"output_config": {"effort": "most"}},
            "output_config.effort: Input should be one of low, medium, high, xhigh, max",
        ),
        (
            {"output_config": {"effort": ["low"]}},
            "output_config.effort: Input should be one of low, medium, high, xhigh, max",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_configuration_that_the_api_refuses_is_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as error:
        chat(body(**{"max_tokens": 32_000, **more}), profile=PLAIN)
    assert str(error.value) == message


def test_an_effort_of_a_message_is_named_by_its_place() -> None:
    with pytest.raises(BadRequest, match=r"messages\.1\.output_config\.effort: Input should be one of"):
        chat(body(user("a"), system("x", output_config={"effort": "most"})))


@shows("field thinking")
def test_display_decides_whether_thinking_is_shown() -> None:
    assert order(body()).show_thinking
    for display, shown in ((None, True), ("summarized", True), ("updates", True), ("omitted", False)):
        assert order(body(thinking={"type": "adaptive", "display": display})).show_thinking is shown


# -- what earlier answers thought ---------------------------------------------------------------------

SUMMARY = {
    "type": "reasoning.summary",
    "summary": "weigh it",
    "format": "openai-responses-v1",
    "id": "rs_1",
    "index": 0,
}
SEALED = {"type": "reasoning.encrypted", "data": "blob", "format": "openai-responses-v1", "id": "rs_1", "index": 0}
SIGNED = {"type": "reasoning.text", "text": "weigh it", "signature": "sig", "format": "anthropic-claude-v1", "index": 0}
UNSIGNED = {"type": "reasoning.text", "text": "weigh it", "format": "anthropic-claude-v1", "index": 0}


def thought(*details: dict[str, Any], family: str = "z-ai", words: str = "weigh it") -> dict[str, Any]:
    signature = pack(list(details), words, family=family, slug="x/y")
    return {"type": "thinking", "thinking": words, "signature": signature}


def plain_thought(words: str, family: str) -> dict[str, Any]:
    """A block whose host sent readable text and no details."""
    from claude_or.translate.reasoning import ReasoningCarry

    signature = ReasoningCarry(family=family, slug="x/y").seal(words, words)
    return {"type": "thinking", "thinking": words, "signature": signature}


def answered(*blocks: dict[str, Any] | str, slug: str = "z-ai/glm-5.3", **more: Any) -> dict[str, Any]:
    """The assistant message of a turn with these blocks."""
    turn = [user("go"), assistant(*blocks)]
    return chat(body(*turn, **more), slug)["messages"][1]


@shows("block thinking")
def test_details_come_back_as_the_host_sent_them() -> None:
    sent = answered(thought(SUMMARY, SEALED, family="openai"), "Done.", slug="openai/gpt-9")
    assert sent == {"role": "assistant", "content": "Done.", "reasoning_details": [SUMMARY, SEALED]}


@shows("block thinking")
@pytest.mark.parametrize("slug", ["openai/gpt-9", "anthropic/claude-9"])
def test_what_another_family_thought_is_left_out_and_never_shown(slug: str) -> None:
    turn = body(user("go"), assistant(thought(SUMMARY), "Done."))
    assert chat(turn, slug)["messages"][1]["content"] in ("Done.", [{"type": "text", "text": "Done."}])
    assert "weigh it" not in str(chat(turn, slug))
    assert "thinking_block" in losses(turn, slug)


@shows("block thinking")
@pytest.mark.parametrize("signature", ["", "c2lnbmF0dXJl", "claude-or.1.AAAA", None, 7], ids=str)
def test_a_signature_that_is_not_ours_drops_the_block(signature: Any) -> None:
    block = {"type": "thinking", "thinking": "weigh it", "signature": signature}
    assert answered(block, "Done.") == {"role": "assistant", "content": "Done."}
    assert answered({"type": "thinking", "thinking": None}, "Done.") == {"role": "assistant", "content": "Done."}


@shows("block redacted_thinking")
def test_redacted_thinking_of_ours_comes_back_and_other_is_left_out() -> None:
    ours = {"type": "redacted_thinking", "data": pack([SEALED], family="openai", slug="x/y")}
    assert answered(ours, "Done.", slug="openai/gpt-9")["reasoning_details"] == [SEALED]
    foreign = {"type": "redacted_thinking", "data": "EncryptedByAnthropic"}
    assert "reasoning_details" not in answered(foreign, "Done.", slug="anthropic/claude-9")


def test_several_blocks_of_one_turn_become_one_array_before_its_calls() -> None:
    more = {**SUMMARY, "summary": "again", "id": "rs_2", "index": 1}
    sent = answered(
        thought(SUMMARY, family="openai"),
        "a",
        thought(more, family="openai", words="again"),
        use("t1"),
        use("t2"),
        slug="openai/gpt-9",
    )
    assert sent["reasoning_details"] == [SUMMARY, more]
    assert len(sent["tool_calls"]) == 2


def test_one_encrypted_entry_is_sent_once_in_a_conversation() -> None:
    block = thought(SEALED, family="openai", words="")
    turn = body(user("go"), assistant(block, "a"), user("on"), assistant(block, "b"))
    sent = [m.get("reasoning_details") for m in chat(turn, "openai/gpt-9")["messages"] if m["role"] == "assistant"]
    assert sent == [[SEALED], None]


def test_readable_reasoning_without_signature_is_left_out_where_it_is_refused() -> None:
    claude = "anthropic/claude-9"
    assert answered(thought(SIGNED, family="anthropic"), "x", slug=claude)["reasoning_details"] == [SIGNED]
    for entry in (UNSIGNED, {k: v for k, v in UNSIGNED.items() if k != "format"}):
        sent = answered(thought(entry, family="anthropic"), "x", slug=claude)
        assert not {"reasoning", "reasoning_details"} & set(sent)
    unknown = {"type": "reasoning.text", "text": "weigh it", "index": 0}
    assert answered(thought(unknown), "x")["reasoning_details"] == [unknown]


def test_an_empty_array_is_given_back_as_one() -> None:
    assert answered(thought(family="deepseek", words=""), use("t1"), slug="deepseek/v9")["reasoning_details"] == []


def test_plain_reasoning_is_given_back_as_text() -> None:
    assert answered(plain_thought("weigh it", "z-ai"), "Done.")["reasoning"] == "weigh it"


@pytest.mark.parametrize("slug", ["deepseek/v9", "moonshotai/kimi-9"])
def test_families_that_need_reasoning_content_get_it_on_every_turn_with_calls(slug: str) -> None:
    family = slug.split("/", maxsplit=1)[0]
    told = answered(plain_thought("weigh it", family), use("t1"), slug=slug)
    assert (told["reasoning_content"], "reasoning" in told) == ("weigh it", False)
    assert answered(use("t1"), slug=slug)["reasoning_content"] == ""
    assert "reasoning_content" not in answered("Done.", slug=slug)
    assert answered(plain_thought("weigh it", family), "Done.", slug=slug)["reasoning"] == "weigh it"
    assert "reasoning_content" not in answered(use("t1"))


def test_a_plain_host_is_given_reasoning_content_alone() -> None:
    local = profile_for("deepseek-r9", None, openrouter=False)
    turn = body(user("go"), assistant(plain_thought("weigh it", "deepseek"), use("t1")), user(result("t1")))
    sent = chat(turn, profile=local)["messages"][1]
    assert sent["reasoning_content"] == "weigh it"
    assert not {"reasoning", "reasoning_details"} & set(sent)


def test_replay_can_be_switched_off_after_a_host_refused_it() -> None:
    turn = body(user("go"), assistant(thought(SUMMARY), "Done."))
    sent = chat(turn, replay_reasoning=False)["messages"][1]
    assert sent == {"role": "assistant", "content": "Done."}
    assert "thinking_block" in losses(turn, replay_reasoning=False)


@pytest.mark.parametrize("effort", ["low", "medium", "high", "xhigh", "max"])
@pytest.mark.parametrize(
    ("profile", "sent"),
    [
        (ModelProfile(reasons=True), None),
        (ModelProfile(reasons=True, efforts=("high", "medium", "low")), "high"),
        (ModelProfile(reasons=True, efforts=("high",)), "high"),
        (ModelProfile(reasons=True, mandatory_reasoning=True, efforts=("xhigh", "medium")), "xhigh"),
    ],
    ids=["all-levels", "up-to-high", "only-high", "mandatory"],
)
def test_each_effort_of_the_client_reaches_a_model_that_can_as_a_level_it_has(
    effort: str, profile: ModelProfile, sent: str | None
) -> None:
    request = decode_request(
        msgspec.json.encode(body(thinking={"type": "adaptive", "display": "updates"}, output_config={"effort": effort}))
    )

    wanted = reasoning_wanted(request, profile, 32_000, Losses())

    assert wanted is not None
    assert wanted.keys() == {"effort"}, "budget and effort are never sent together"
    assert wanted["effort"] in (profile.efforts or [effort])
    if effort == "max" and sent:
        assert wanted["effort"] == sent


@pytest.mark.parametrize("effort", [None, "low", "max"])
@pytest.mark.parametrize("thinking", [None, {"type": "disabled"}, {"type": "adaptive"}])
def test_a_model_that_cannot_think_is_asked_nothing_about_it(effort: str | None, thinking: Any) -> None:
    more: dict[str, Any] = {} if effort is None else {"output_config": {"effort": effort}}
    if thinking is not None:
        more["thinking"] = thinking
    request = decode_request(msgspec.json.encode(body(**more)))

    assert reasoning_wanted(request, ModelProfile(reasons=False), 32_000, Losses()) is None


@pytest.mark.parametrize("effort", ["low", "high", "max"])
def test_thinking_switched_off_beats_an_effort(effort: str) -> None:
    request = decode_request(msgspec.json.encode(body(output_config={"effort": effort})))

    assert reasoning_wanted(request, ModelProfile(reasons=True), 32_000, Losses()) == {"enabled": False}
    mandatory = ModelProfile(reasons=True, mandatory_reasoning=True, efforts=("high", "low"))
    assert reasoning_wanted(request, mandatory, 32_000, Losses()) == {"effort": "low"}
