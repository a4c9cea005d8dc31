"""Which blocks a model cannot take, and how words come into their place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from claude_or.translate.profiles import ModelFacts, ModelProfile, profile_for
from claude_or.translate.sight import asking_to_see, description, in_words, is_blindness, unseen
from claude_or.wire.anthropic import Failure, MessagesRequest, decode_request
from tests.fakes.papers import document, picture

BLIND = profile_for("x/blind", ModelFacts(inputs=frozenset({"text"})))
SEEING = profile_for("x/seeing", ModelFacts(inputs=frozenset({"text", "image"})))
PLAIN = profile_for("blind", ModelFacts(inputs=frozenset({"text"})), openrouter=False)


def request(*content: Any) -> MessagesRequest:
    messages = [{"role": "user", "content": list(content)}]
    return decode_request(msgspec.json.encode({"model": "m", "max_tokens": 9, "messages": messages}))


def result(*content: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "t1", "content": list(content)}


def made_of(*content: Any) -> dict[str, Any]:
    return {"type": "document", "source": {"type": "content", "content": list(content)}}


def kinds(asked: MessagesRequest, profile: ModelProfile, *, pictures: bool = True) -> list[str]:
    return [one.kind for one in unseen(asked, profile, pictures=pictures)]


def test_pictures_are_found_wherever_they_stand_and_each_content_once() -> None:
    link = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    asked = request(
        picture(1), result(picture(2), picture(1)), made_of(picture(3)), link, link, {"type": "text", "text": "x"}
    )
    assert kinds(asked, BLIND) == ["picture"] * 4
    assert kinds(asked, SEEING) == []
    assert kinds(asked, BLIND, pictures=False) == []
    assert kinds(asked, profile_for("x/unknown", None)) == []


def test_pdfs_are_read_here_only_for_hosts_that_open_none() -> None:
    linked = {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}
    text = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    asked = request(document("a"), result(document("b")), document("a"), linked, text)
    assert kinds(asked, PLAIN) == ["pdf", "pdf"]
    assert kinds(asked, BLIND) == []


def test_words_take_the_place_of_a_block_and_nothing_else_changes() -> None:
    marked = {**document("a", title="Report"), "cache_control": {"type": "ephemeral"}}
    asked = request(
        {"type": "text", "text": "look"}, picture(1), result(picture(2), {"type": "text", "text": "y"}), marked
    )
    before = msgspec.json.encode(asked.messages)
    first, second, third = unseen(asked, PLAIN, pictures=True)
    told = in_words(asked, PLAIN, {first.key: "one", third.key: "pages"}, pictures=True).messages[0]["content"]
    assert told == [
        {"type": "text", "text": "look"},
        {"type": "text", "text": "one"},
        result(picture(2), {"type": "text", "text": "y"}),
        {"type": "text", "text": "Report\npages", "cache_control": {"type": "ephemeral"}},
    ]
    within = in_words(asked, PLAIN, {second.key: "two"}, pictures=True).messages[0]["content"]
    assert within[2] == result({"type": "text", "text": "two"}, {"type": "text", "text": "y"})
    assert msgspec.json.encode(asked.messages) == before


def test_the_question_holds_the_picture_and_the_answer_is_marked() -> None:
    question = asking_to_see({**picture(1), "cache_control": {"type": "ephemeral"}}, "eyes/model")
    assert question.messages[0]["content"][0] == picture(1)
    assert question.thinking == {"type": "disabled"}
    said = description({"content": [{"type": "thinking"}, {"type": "text", "text": " A zebra. "}]}, "eyes/model")
    assert said.splitlines() == [
        "[A picture is here, which you cannot see. eyes/model describes it:]",
        "A zebra.",
        "[End of the description.]",
    ]
    assert description({"content": [{"type": "text", "text": " "}]}, "eyes/model") == ""


def test_a_pdf_leaves_room_in_a_small_window_and_says_so() -> None:
    small = msgspec.structs.replace(PLAIN, context=8_000)
    asked = request(document("a"), picture(1))
    pdf, pic = unseen(asked, small, pictures=True)
    words = {pdf.key: "x" * 50_000, pic.key: "y" * 50_000}
    cut, whole = in_words(asked, small, words, pictures=True).messages[0]["content"]
    text, _, told = cut["text"].partition("\n")
    assert len(text) == 8_000 * 4 // 3
    assert told == "[The rest is left out: 39,334 of 50,000 characters, too many for the window.]"
    assert whole["text"] == words[pic.key]
    for context in (None, 200_000):
        roomy = msgspec.structs.replace(PLAIN, context=context)
        assert in_words(asked, roomy, words, pictures=True).messages[0]["content"][0]["text"] == words[pdf.key]


def says(message: str, status: int | None = 400) -> Failure:
    return Failure(kind="invalid_request", status=400, type="x", message=message, upstream_status=status)


@pytest.mark.parametrize(
    "message",
    [
        "No endpoints found that support image input",
        "this model does not support images",
        "Invalid content type. image_url is only supported by certain models.",
        "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
        "At most 0 image(s) may be provided in one request.",
        "tiny is not a multimodal model",
        "Failed to deserialize: messages[0]: unknown variant `image_url`, expected `text`",
        "messages[1].content must be a string",
        "Model does not support vision",
    ],
)
def test_a_model_without_eyes_is_known_by_the_words_of_its_host(message: str) -> None:
    assert is_blindness(says(message))
    assert not is_blindness(says(message, 429))
    assert not is_blindness(says(message, None))


@pytest.mark.parametrize(
    "message",
    [
        "unsupported image format",
        "The image format is not supported; use png or jpeg",
        "image exceeds 5 MB maximum",
        "Could not process image",
        "image dimensions are not supported: too large",
        "max_tokens is too large",
        "Provider returned error",
    ],
)
def test_what_is_wrong_with_one_picture_says_nothing_about_the_model(message: str) -> None:
    assert not is_blindness(says(message))
