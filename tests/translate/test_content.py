"""How a history of blocks becomes a history of chat messages."""

from __future__ import annotations

from typing import Any

import pytest

from claude_or.translate.profiles import ModelProfile
from claude_or.wire.anthropic import BadRequest
from tests.translate.rows import shows
from tests.translate.shapes import (
    MARK,
    assistant,
    body,
    chat,
    compact_turn,
    document,
    image,
    losses,
    main_turn,
    media_turn,
    png,
    result,
    system,
    text,
    tool,
    tool_loop,
    use,
    user,
)

CLAUDE = "anthropic/claude-sonnet-9"
BLIND = ModelProfile(images=False)


def messages(*sent: dict[str, Any], slug: str = "z-ai/glm-5.3", **more: Any) -> list[dict[str, Any]]:
    return chat(body(*sent), slug, **more)["messages"]


def refused(*sent: dict[str, Any], **more: Any) -> str:
    with pytest.raises(BadRequest) as error:
        chat(body(*sent, **more))
    return str(error.value)


def shape(sent: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Roles, with the call's id for tool messages."""
    return [(m["role"], m.get("tool_call_id", "")) for m in sent]


@shows("field system")
def test_the_system_text_is_one_message_without_the_billing_line() -> None:
    first = chat(main_turn())["messages"][0]
    assert first == {"role": "system", "content": "knoll ridge\n\n\number heath"}
    assert "billing_line" in losses(main_turn())
    together = {**main_turn(), "system": "x-anthropic-billing-header: cc_version=1;\n\nrules"}
    assert chat(together)["messages"][0]["content"] == "rules"
    assert "billing_line" in losses(together)


@shows("field system", "block cache_control")
def test_where_marks_are_honoured_system_text_stays_in_parts_that_carry_them() -> None:
    first = chat(main_turn(), CLAUDE)["messages"][0]
    assert first["content"] == [text("knoll ridge", cache_control=MARK), text("\number heath", cache_control=MARK)]


@shows("field system")
def test_a_system_string_is_carried_and_an_empty_one_is_left_out() -> None:
    assert chat(body(system="Be brief."))["messages"][0] == {"role": "system", "content": "Be brief."}
    assert chat(body(system=""))["messages"][0]["role"] == "user"
    assert chat(body(system=[text("")]))["messages"][0]["role"] == "user"


def test_system_blocks_are_text() -> None:
    assert refused(system=[image()]) == "system.0.type: Input should be 'text'"
    assert refused(system=[{"type": "text"}]) == "system.0.text: Field required"
    assert refused(system=[{"type": "text", "text": 7}]) == "system.0.text: Input should be a valid string"


@shows("block text", "list empty")
def test_text_blocks_make_one_string_and_empty_ones_vanish() -> None:
    assert messages(user("one", "", "two"))[0] == {"role": "user", "content": "one\n\ntwo"}


@shows("list empty")
def test_an_empty_user_turn_vanishes_and_an_empty_assistant_turn_stays() -> None:
    assert messages(user("hi"), assistant(""), user(""), user("on")) == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "on"},
    ]
    assert messages(user("hi"), {"role": "assistant", "content": []})[1] == {"role": "assistant", "content": ""}


def test_a_request_without_any_content_is_refused() -> None:
    assert refused(user("")) == "messages: at least one message with content is required"


@shows("list consecutive_roles", "field messages")
def test_turns_of_one_role_stay_separate() -> None:
    roles = [m["role"] for m in messages(user("a"), user("b"), assistant("c"), assistant("d"), user("e"))]
    assert roles == ["user", "user", "assistant", "assistant", "user"]


@shows("list consecutive_roles")
def test_an_assistant_turn_in_two_messages_is_joined_when_a_call_waits_for_its_result() -> None:
    sent = messages(user("a"), assistant("b", use("t1")), assistant("c", use("t2")), user(result("t1"), result("t2")))
    assert shape(sent) == [("user", ""), ("assistant", ""), ("tool", "t1"), ("tool", "t2")]
    assert sent[1]["content"] == "b\n\nc"
    assert [call["id"] for call in sent[1]["tool_calls"]] == ["t1", "t2"]


@shows("list system_in_the_middle")
@pytest.mark.parametrize("content", ["Mind the gap.", [text("Mind the gap.")]], ids=["string", "blocks"])
def test_a_system_message_in_the_middle_stays_there(content: Any) -> None:
    sent = messages(user("a"), system(content), assistant("b"), user("c"))
    assert sent[1] == {"role": "system", "content": "Mind the gap."}


@shows("list system_in_the_middle")
@pytest.mark.parametrize("slug", ["google/gemini-9", "mistralai/m"])
def test_where_only_a_leading_system_message_is_taken_it_becomes_a_reminder(slug: str) -> None:
    sent = messages(user("a"), system("Mind the gap."), assistant("b"), slug=slug)
    wrapped = "<system-reminder>\nMind the gap.\n</system-reminder>"
    expected = [text(wrapped)] if slug.startswith("google") else wrapped
    assert sent[1] == {"role": "user", "content": expected}
    assert "<system-reminder>" not in messages(user("a"), system("Mind the gap."), slug="openai/o")[1]["content"]


def test_a_reminder_is_not_wrapped_twice_and_an_empty_system_message_vanishes() -> None:
    sent = messages(user("a"), system("<system-reminder>x</system-reminder>"), slug="mistralai/m")
    assert sent[1]["content"] == "<system-reminder>x</system-reminder>"
    assert len(messages(user("a"), system(""), system(None, output_config={"effort": "low"}))) == 1


@shows("list system_in_the_middle")
def test_a_passing_system_message_stays_so_that_the_cache_holds() -> None:
    sent = [user("a"), system("for now", clear_at="next_user_message"), user("b")]
    assert messages(*sent)[1]["content"] == "for now"
    assert "clear_at" in losses(body(*sent))
    assert "clear_at" not in losses(body(user("a"), system("for now", clear_at="never")))


@shows("list tool_result_order", "block tool_use", "block tool_result")
def test_results_follow_their_turn_in_the_order_of_its_calls_before_any_text() -> None:
    sent = messages(
        user("go"),
        assistant("ok", use("t1", path="ä"), use("t2", "Bash")),
        user("first a text", result("t2", "two"), result("t1", "one"), "then another"),
    )
    assert sent[1] == {
        "role": "assistant",
        "content": "ok",
        "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "Read", "arguments": '{"path":"ä"}'}},
            {"id": "t2", "type": "function", "function": {"name": "Bash", "arguments": "{}"}},
        ],
    }
    assert sent[2:] == [
        {"role": "tool", "tool_call_id": "t1", "content": "one"},
        {"role": "tool", "tool_call_id": "t2", "content": "two"},
        {"role": "user", "content": "first a text\n\nthen another"},
    ]


@shows("list tool_result_order")
def test_results_split_over_turns_are_gathered() -> None:
    sent = messages(
        user("go"),
        assistant(use("t1"), use("t2")),
        user(result("t1")),
        system("note"),
        user(result("t2"), "and"),
        assistant("x"),
    )
    assert shape(sent) == [
        ("user", ""),
        ("assistant", ""),
        ("tool", "t1"),
        ("tool", "t2"),
        ("system", ""),
        ("user", ""),
        ("assistant", ""),
    ]


@shows("list call_without_result")
def test_a_call_without_result_is_told_as_interrupted() -> None:
    sent = [user("go"), assistant(use("t1"), use("t2")), user(result("t2"), "stop")]
    assert messages(*sent)[2] == {"role": "tool", "tool_call_id": "t1", "content": "[no result: interrupted]"}
    assert "missing_result" in losses(body(*sent))
    assert messages(user("go"), assistant(use("t1")))[2]["content"] == "[no result: interrupted]"


@shows("list result_without_call")
def test_a_result_without_call_becomes_text() -> None:
    sent = messages(user(result("gone", "what was found"), "go on"))
    assert sent == [{"role": "user", "content": "[result of earlier tool call gone]\nwhat was found\n\ngo on"}]
    late = messages(user("go"), assistant(use("t1")), user("x"), assistant("y"), user(result("t1", "late")))
    assert late[-1]["content"] == "[result of earlier tool call t1]\nlate"
    twice = messages(user("go"), assistant(use("t1")), user(result("t1", "a"), result("t1", "b")))
    assert twice[-1]["content"] == "[result of earlier tool call t1]\nb"


@shows("list prefill")
def test_a_last_assistant_message_stays_last() -> None:
    assert messages(user("q"), assistant("The answer is"))[-1] == {"role": "assistant", "content": "The answer is"}


@shows("list tool_ids")
def test_ids_are_passed_as_they_are_and_made_to_fit_where_a_host_wants_its_own_form() -> None:
    turn = [user("go"), assistant(use("toolu_01AbC")), user(result("toolu_01AbC"))]
    assert messages(*turn)[2]["tool_call_id"] == "toolu_01AbC"
    nine = messages(*turn, slug="mistralai/m")
    call_id = nine[1]["tool_calls"][0]["id"]
    assert len(call_id) == 9
    assert call_id.isalnum()
    assert nine[2]["tool_call_id"] == call_id


def test_an_id_that_one_turn_has_twice_is_told_apart() -> None:
    sent = messages(user("go"), assistant(use("t"), use("t")), user(result("t", "a"), result("t", "b")))
    assert [m["tool_call_id"] for m in sent[2:]] == ["t", "t-1"]
    assert [m["content"] for m in sent[2:]] == ["a", "b"]


@shows("block tool_use")
def test_a_turn_of_calls_alone_has_no_content() -> None:
    assert messages(user("go"), assistant(use("t1")), user(result("t1")))[1]["content"] is None


@shows("block tool_use")
def test_arguments_are_compact_keep_their_order_and_every_digit() -> None:
    call = {
        **use("t1"),
        "input": {"z": 1, "a": [1.5, None, True], "big": 123456789012345678901234567890, "ü": "\u2028"},
    }
    sent = messages(user("go"), assistant(call), user(result("t1")))
    arguments = sent[1]["tool_calls"][0]["function"]["arguments"]
    assert arguments == '{"z":1,"a":[1.5,null,true],"big":123456789012345678901234567890,"ü":"\u2028"}'


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"type": "tool_use", "name": "X", "input": {}}, "messages.1.content.0.id: Field required"),
        ({"type": "tool_use", "id": "t", "input": {}}, "messages.1.content.0.name: Field required"),
        ({**use("t"), "input": "x"}, "messages.1.content.0.input: Input should be a valid dictionary"),
        ({"type": "text"}, "messages.1.content.0.text: Field required"),
        (image(), "messages.1.content.0.type: the block type 'image' cannot be carried here"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_broken_block_of_an_answer_is_named(block: dict[str, Any], message: str) -> None:
    assert refused(user("go"), {"role": "assistant", "content": [block]}) == message


@shows("block tool_result")
@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        ("plain", {}, "plain"),
        ([text("a"), text("b")], {}, "a\nb"),
        ("", {}, "(no output)"),
        ([], {}, "(no output)"),
        (None, {}, "(no output)"),
        ([text("")], {}, "(no output)"),
        ("boom", {"is_error": True}, "Error: boom"),
        ("", {"is_error": True}, "Error: (no output)"),
        ([{"type": "search_result", "title": "T", "source": "S", "content": [text("found")]}], {}, "T (S)\nfound"),
        ([{"type": "tool_reference", "tool_name": "X"}], {}, "The tool X is loaded and can be called from now on."),
        ([text("a"), {"type": "browser_state", "tabs": []}], {}, "a"),
        ([{"type": "document", "source": {"type": "text", "data": "words"}, "title": "T"}], {}, "T\n\nwords"),
    ],
)
def test_a_result_becomes_one_text(content: Any, more: dict[str, Any], said: str) -> None:
    sent = messages(user("go"), assistant(use("t1")), user(result("t1", content, **more)))
    assert sent[2] == {"role": "tool", "tool_call_id": "t1", "content": said}


def test_a_result_with_a_block_that_nobody_knows_is_refused() -> None:
    turn = (user("go"), assistant(use("t1")), user(result("t1", [{"type": "hologram"}])))
    assert refused(*turn) == "messages.2.content.0.content.0.type: the block type 'hologram' cannot be carried here"
    assert (
        refused(*turn[:2], user(result("t1", [7]))) == "messages.2.content.0.content.0: Input should be a content block"
    )
    assert (
        refused(*turn[:2], user(result("t1", 7)))
        == "messages.2.content.0.content: Input should be a valid string or list"
    )


@shows("block tool_result")
def test_media_leave_their_results_for_one_user_message_after_the_last_of_them() -> None:
    sent = messages(
        user("go"),
        assistant(use("t1"), use("t2")),
        user(result("t1", [text("a picture"), image()]), result("t2", [document(title="spec.pdf")]), "look"),
    )
    pointer = "see the user message after the tool results]"
    assert sent[2]["content"] == f"a picture\n[image: {pointer}"
    assert sent[3]["content"] == f"spec.pdf\n[document: {pointer}"
    assert sent[4]["role"] == "user"
    assert [part["type"] for part in sent[4]["content"]] == ["text", "image_url", "text", "file", "text"]
    assert sent[4]["content"][0]["text"] == "[attached to the result of Read, call t1]"
    assert sent[4]["content"][-1]["text"] == "look"
    assert len(sent) == 5


def test_media_come_after_the_results_even_when_a_system_message_stands_between() -> None:
    sent = messages(user("go"), assistant(use("t1")), system("note"), user(result("t1", [image()])))
    assert [m["role"] for m in sent] == ["user", "assistant", "tool", "system", "user"]


@shows("block image")
def test_an_image_is_carried_by_data_or_by_address() -> None:
    by_url = {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}
    sent = messages(user("look", image(), by_url))
    assert sent[0]["content"] == [
        text("look"),
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png()}"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}},
    ]
    assert "transformations" in losses(body(user(image(transformations={"oversized_image": "error"}))))


@shows("block image")
def test_a_model_without_vision_gets_a_note_and_never_base64() -> None:
    sent = chat(media_turn(), profile=ModelProfile(images=False, files=False))
    assert png() not in str(sent)
    results = [m["content"] for m in sent["messages"] if m["role"] == "tool"]
    assert results[0] == "[image omitted: model has no vision]"
    assert results[1] == "PDF file read\n[document omitted: the model's host takes no files]"
    assert {"image", "document"} <= losses(media_turn(), profile=ModelProfile(images=False, files=False))
    assert messages(user(image()), profile=BLIND)[0]["content"] == "[image omitted: model has no vision]"


@shows("block document")
def test_a_document_is_a_file_or_text_by_its_source() -> None:
    def parts(**more: Any) -> list[dict[str, Any]]:
        return messages(user(image(), {"type": "document", **more}))[0]["content"][1:]

    data = document()["source"]["data"]
    file = {"filename": "document.pdf", "file_data": f"data:application/pdf;base64,{data}"}
    assert parts(source=document()["source"]) == [{"type": "file", "file": file}]
    titled = parts(source=document()["source"], title="T", context="C")
    assert titled == [text("T\nC"), {"type": "file", "file": {**file, "filename": "T"}}]
    by_url = parts(source={"type": "url", "url": "https://example.org/a.pdf"})
    assert by_url[0]["file"]["file_data"] == "https://example.org/a.pdf"
    assert parts(source={"type": "text", "data": "words", "media_type": "text/plain"}) == [text("words")]
    assert parts(source={"type": "text", "data": "words"}, title="T") == [text("T\n\nwords")]
    assert parts(source={"type": "content", "content": "words"}, title="T") == [text("T"), text("words")]
    mixed = parts(source={"type": "content", "content": [text("a"), image()]})
    assert [part["type"] for part in mixed] == ["text", "image_url"]
    assert "citations" in losses(body(user(document(citations={"enabled": True}))))
    omitted = messages(user(document(title="T")), profile=ModelProfile(files=False))[0]["content"]
    assert omitted == "T\n[document omitted: the model's host takes no files]"


@shows("block image", "block document", "block container_upload", "block unknown")
@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"type": "image"}, "0.source: Field required"),
        (
            {"type": "image", "source": {"type": "file", "file_id": "f"}},
            "0.source.type: uploaded files cannot be reached from here; send the content",
        ),
        ({"type": "image", "source": {"type": "x"}}, "0.source.type: the source type 'x' is not known here"),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": ""}},
            "0.source.media_type: Input should be an image type",
        ),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "image/png"}},
            "0.source.data: Input should be a valid string",
        ),
        ({"type": "image", "source": {"type": "url"}}, "0.source.url: Field required"),
        (
            {"type": "document", "source": {"type": "file", "file_id": "f"}},
            "0.source.type: uploaded files cannot be reached from here; send the content",
        ),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/zip", "data": ""}},
            "0.source.media_type: Input should be 'application/pdf'",
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [7]}},
            "0.source.content.0: Input should be a valid dictionary",
        ),
        ({"type": "search_result", "content": [7]}, "0.content.0: Input should be a valid dictionary"),
        ({"type": "search_result", "content": [{"type": "text"}]}, "0.content.0.text: Field required"),
        ({"type": "container_upload", "file_id": "f"}, "0.type: uploaded files cannot be reached from here"),
        ({"type": "hologram"}, "0.type: the block type 'hologram' cannot be carried here"),
        ({"type": "thinking", "thinking": "x"}, "0.type: the block type 'thinking' cannot be carried here"),
        ({"type": "tool_result", "content": "x"}, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_reached_or_understood_is_refused(block: dict[str, Any], message: str) -> None:
    if message:
        assert refused(user(block, "hi")) == f"messages.0.content.{message}"
    else:
        turn = (user("go"), assistant(use("t1")), user(block))
        assert refused(*turn) == "messages.2.content.0.tool_use_id: Field required"


@shows("block search_result")
def test_a_search_result_is_text_with_its_source() -> None:
    block = {"type": "search_result", "title": "Title", "source": "https://e.org", "content": [text("a"), text("b")]}
    assert messages(user(block))[0]["content"] == "Title (https://e.org)\na\nb"
    assert messages(user({**block, "title": ""}))[0]["content"] == "https://e.org\na\nb"
    assert messages(user({"type": "search_result", "content": [text("a")]}))[0]["content"] == "a"


@shows("block server_tools")
@pytest.mark.parametrize(
    ("block", "said"),
    [
        (
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "ox"}},
            '[web_search {"query":"ox"}]',
        ),
        ({"type": "server_tool_use", "id": "s", "name": "code_execution", "input": {}}, "[code_execution]"),
        (
            {"type": "mcp_tool_use", "id": "s", "name": "lookup", "server_name": "w", "input": {"a": 1}},
            '[lookup {"a":1}]',
        ),
        (
            {
                "type": "web_search_tool_result",
                "content": [
                    {
                        "type": "web_search_result",
                        "title": "Oxen",
                        "url": "https://e.org",
                        "encrypted_content": "SECRETBLOB",
                    },
                    {"type": "web_search_result", "title": None, "url": "https://f.org"},
                ],
            },
            "[web search result]\nOxen https://e.org\nhttps://f.org",
        ),
        (
            {
                "type": "web_search_tool_result",
                "content": {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"},
            },
            "[web search result]\nfailed: max_uses_exceeded",
        ),
        (
            {
                "type": "web_fetch_tool_result",
                "content": {
                    "type": "web_fetch_result",
                    "url": "https://e.org",
                    "content": {"type": "document", "source": {"type": "text", "data": "the page"}, "title": "P"},
                },
            },
            "[web fetch result]\nhttps://e.org\nP\nthe page",
        ),
        (
            {
                "type": "code_execution_tool_result",
                "content": {
                    "type": "code_execution_result",
                    "stdout": "4\n",
                    "stderr": "",
                    "return_code": 0,
                    "content": [],
                },
            },
            "[code execution result]\n4",
        ),
        (
            {
                "type": "bash_code_execution_tool_result",
                "content": {"type": "bash_code_execution_result", "stdout": "", "stderr": "bad"},
            },
            "[bash code execution result]\nbad",
        ),
        (
            {"type": "text_editor_code_execution_tool_result", "content": {"type": "x", "content": "file text"}},
            "[text editor code execution result]\nfile text",
        ),
        (
            {
                "type": "tool_search_tool_result",
                "content": {"tool_references": [{"type": "tool_reference", "tool_name": "Read"}]},
            },
            "[tool search result]\nRead",
        ),
        ({"type": "mcp_tool_result", "content": [text("from afar")]}, "[mcp result]\nfrom afar"),
        ({"type": "mcp_tool_result", "content": "x" * 30_000}, "[mcp result]\n" + "x" * 20_000 + "…"),
        (
            {"type": "advisor_tool_result", "content": {"type": "advisor_result", "text": "do it"}},
            "[advisor result]\ndo it",
        ),
        ({"type": "advisor_tool_result", "content": None}, "[advisor result: nothing]"),
    ],
    ids=lambda value: value.get("type") if isinstance(value, dict) else "",
)
def test_tools_that_ran_on_a_server_are_told_as_text(block: dict[str, Any], said: str) -> None:
    sent = messages(user("q"), assistant("I looked.", block, "So."))
    assert sent[1] == {"role": "assistant", "content": f"I looked.\n\n{said}\n\nSo."}
    assert messages(user("q"), assistant(block))[1]["content"] == said
    assert "server_tool" in losses(body(user("q"), assistant(block)))


@shows("block compaction")
def test_a_compaction_is_told_as_a_summary() -> None:
    block = {"type": "compaction", "content": "We agreed on ochre."}
    said = {"role": "user", "content": "[summary of earlier conversation]\nWe agreed on ochre."}
    assert messages(user("q"), assistant(block, "Right."))[1:] == [said, {"role": "assistant", "content": "Right."}]
    assert messages(user(block))[0] == said
    assert "compaction" in losses(body(user("q"), assistant({"type": "compaction", "content": None})))
    sealed = {"type": "compaction", "content": None, "encrypted_content": "blob"}
    assert refused(user("q"), assistant(sealed)) == (
        "messages.1.content.0: a compaction without readable content cannot be carried"
    )


@shows("block tool_changes")
def test_changes_of_tools_are_told_and_records_of_other_servers_are_listed() -> None:
    change = [
        {"type": "tool_addition", "tool": {"type": "tool_reference", "name": "Read"}},
        {"type": "tool_addition", "tool": {"type": "tool_definition", "definition": tool("New")}},
        {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "Old"}},
    ]
    said = messages(user("a"), system([text("Note."), *change]))[1]["content"]
    assert said.split("\n\n") == [
        "Note.",
        "The tool Read can be called from now on.",
        "The tool New can be called from now on.",
        "The tool Old can no longer be called.",
    ]
    for kind in ("fallback", "mcp_tool_listing", "tool_addition", "tool_removal"):
        assert kind in losses(body(user("a"), assistant("b", {"type": kind})))
    assert refused(user("a"), system([{"type": "tool_removal"}])) == "messages.1.content.0.tool.name: Field required"
    assert refused(user("a"), system([image()])) == (
        "messages.1.content.0.type: the block type 'image' cannot be carried here"
    )


def test_text_that_thinking_alone_interrupted_is_one_text() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    assert messages(user("q"), assistant("One sent", thought, "ence."))[1]["content"] == "One sentence."
    assert messages(user("q"), assistant("Before.", use("t"), "After."))[1]["content"] == "Before.\n\nAfter."


def marks(sent: list[dict[str, Any]]) -> list[str]:
    """The texts that carry a mark."""
    parts = [part for m in sent if isinstance(m["content"], list) for part in m["content"]]
    assert all(part["type"] == "text" for part in parts if "cache_control" in part)
    return [part["text"] for part in parts if "cache_control" in part]


@shows("block cache_control")
def test_marks_stay_on_text_where_the_host_honours_them() -> None:
    sent = chat(tool_loop(), CLAUDE)["messages"]
    assert marks(sent) == ["knoll ridge", "\number heath", "the skill's text"]
    assert all(isinstance(m["content"], list) for m in sent if m["role"] in {"system", "user", "tool"})
    assert all(isinstance(m["content"], str | None) for m in sent if m["role"] == "assistant")


@shows("block cache_control")
def test_marks_are_stripped_everywhere_else() -> None:
    for slug in ("z-ai/glm-5.3", "openai/gpt-9", "deepseek/d", "mistralai/m"):
        assert "cache_control" not in str(chat(tool_loop(), slug))
        assert "cache_control" in losses(tool_loop(), slug)


@shows("block cache_control")
def test_a_mark_that_its_block_cannot_hold_moves_to_the_text_before() -> None:
    assert marks(chat(compact_turn(), CLAUDE)["messages"])[-1] == "0"
    pictured = [user("look", image(cache_control=MARK))]
    assert marks(chat(body(*pictured), CLAUDE)["messages"]) == ["look"]
    emptied = [user("hi", text("", cache_control=MARK))]
    assert marks(chat(body(*emptied), CLAUDE)["messages"]) == ["hi"]
    reminded = [user("hi"), system([text("", cache_control=MARK)])]
    assert marks(chat(body(*reminded), CLAUDE)["messages"]) == ["hi"]
    assert marks(chat(body(user(image(cache_control=MARK))), CLAUDE)["messages"]) == []
    noted = [user({"type": "search_result", "content": [text("found")], "cache_control": MARK})]
    assert marks(chat(body(*noted), CLAUDE)["messages"]) == ["found"]


@shows("block cache_control", "field cache_control")
def test_at_most_four_marks_are_sent_and_the_newest_count() -> None:
    many = [user(*[text(f"m{i}", cache_control={**MARK, "ttl": "1h", "scope": "global"}) for i in range(6)])]
    sent = chat(body(*many), CLAUDE)["messages"]
    assert marks(sent) == ["m2", "m3", "m4", "m5"]
    assert sent[0]["content"][5]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert "cache_control_limit" in losses(body(*many), CLAUDE)
    top = chat(body(user("hi"), cache_control=MARK), CLAUDE)["messages"]
    assert marks(top) == ["hi"]
    assert "cache_control" in losses(body(user("hi"), cache_control=MARK))
    tools = [tool("A", cache_control=MARK), tool("B", cache_control=MARK)]
    shared = chat(body(*[user(text(f"m{i}", cache_control=MARK)) for i in range(3)], tools=tools), CLAUDE)
    assert ["cache_control" in t for t in shared["tools"]] == [False, True]
    assert "cache_control" not in str(chat(body(user("hi"), tools=tools), "google/g")["tools"])


def test_a_mark_of_an_odd_form_is_left_out() -> None:
    assert marks(
        chat(body(user(text("a", cache_control="yes"), text("b", cache_control={"ttl": "9d"}))), CLAUDE)["messages"]
    ) == ["b"]
