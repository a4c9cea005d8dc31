"""The real client on hosts that speak plain chat completions or its own API, on a fallback, and on a longer model."""

from __future__ import annotations

import pytest

from tests.fakes.listing import GLM, GPT, SMALL, listed
from tests.fakes.messages_host import Turn, messages_host
from tests.fakes.openrouter import Ask, script
from tests.fakes.plain_host import Say, plain_host
from tests.fakes.replies import Scripted, error, text, tool_call
from tests.support.lab import Lab


def configure(lab: Lab, text: str) -> None:
    """Write the user's configuration; the models come from it."""
    path = lab.home / ".config/claude-or/config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    lab.extra |= {"BIG_MODEL": "", "SMALL_MODEL": ""}


async def test_the_clients_tools_work_on_a_local_host_without_any_key(lab: Lab) -> None:
    path = str(lab.project / "note.txt")
    script = [
        Say("I write it.", calls=[("Write", {"file_path": path, "content": "from a local model"})]),
        Say(calls=[("Read", {"file_path": path})]),
        Say("Both done."),
    ]
    async with plain_host(script=script) as local:
        configure(
            lab,
            "models: {big: 'ollama:tiny:1b'}\n"
            f"providers: {{ollama: {{base_url: '{local.base_url}', models: {{'tiny:1b': {{context_window: 150000}}}}}}}}\n",
        )
        lab.extra |= {"OPENROUTER_API_KEY": ""}
        done = await lab.ask("use the tools")
        assert (done.code, done.result["result"].strip()) == (0, "Both done."), done.stderr
        assert (lab.project / "note.txt").read_text() == "from a local model"
        assert [bool(r.get("is_error")) for r in done.tool_results] == [False, False]
        assert "from a local model" in str(local.heard[-1].body["messages"][-1]["content"])
        assert " out · $0.00 · " in done.stderr, "a server of one's own sends no bill"
    assert lab.host.log == []


async def test_while_the_first_model_is_down_the_fallback_works_unseen_by_the_client(lab: Lab) -> None:
    configure(lab, f"models: {{big: {GLM}, small: {GLM}}}\nfallbacks: {{big: [{GPT}], small: [{GPT}]}}\n")
    path = str(lab.project / "note.txt")
    left = [[tool_call("Write", {"file_path": path, "content": "written"}, call_id="w1")], text("Done by another.")]

    def brain(ask: Ask, _n: int):
        if ask.model == GLM:
            return error(503, "No instances available")
        return left.pop(0) if left and ask.body.get("tools") else text("Aside.")

    lab.host.script(brain)
    done = await lab.ask("use the tools")
    assert (done.code, done.result["result"]) == (0, "Done by another."), done.stderr
    assert (lab.project / "note.txt").read_text() == "written"
    messages = [event["message"] for event in done.events if event.get("type") == "assistant"]
    assert {message["model"] for message in messages} == {GLM}
    assert GPT in done.stderr
    logs = "".join(file.read_text() for file in (lab.home / ".local/state/claude-or/logs").glob("*.jsonl"))
    assert "served by a fallback" in logs


@pytest.mark.parametrize("model", ["claude-opus-5", pytest.param("glm-5.3", marks=pytest.mark.slow)])
async def test_the_clients_tools_and_thinking_work_on_a_host_that_speaks_the_clients_own_api(
    lab: Lab, model: str
) -> None:
    path = str(lab.project / "note.txt")
    write = Turn("I write it.", "First I think.", [("Write", {"file_path": path, "content": "by the other host"})])
    read = Turn(thinking="Then I look.", calls=[("Read", {"file_path": path})])
    async with messages_host("sk-lab", write, read, Turn("Both done.", "Good.")) as other:
        configure(
            lab,
            f"models: {{big: 'lab:{model}'}}\n"
            "providers:\n  lab:\n"
            f"    {{base_url: '{other.base_url}', kind: anthropic, key_variable: LAB_KEY, key_header: x-api-key,\n"
            f"     models: {{'{model}': {{context_window: 200000, max_output: 32000, images: true}}}}}}\n",
        )
        lab.extra |= {"OPENROUTER_API_KEY": "", "LAB_KEY": "sk-lab"}
        done = await lab.ask("use the tools")
        assert (done.code, done.result["result"]) == (0, "Both done."), done.stderr
        assert (lab.project / "note.txt").read_text() == "by the other host"
        assert [bool(result.get("is_error")) for result in done.tool_results] == [False, False]
        last = other.heard[-1].body
        assert {heard.body["model"] for heard in other.heard} == {model}
        sent = [block for message in last["messages"] if message["role"] == "assistant" for block in message["content"]]
        assert [block["thinking"] for block in sent if block["type"] == "thinking"] == [
            "First I think.",
            "Then I look.",
        ]
        assert not any("user_id" in (heard.body.get("metadata") or {}) for heard in other.heard)
    assert lab.host.log == []


@pytest.mark.slow
async def test_a_conversation_beyond_its_models_window_goes_on_with_the_longer_one(lab: Lab) -> None:
    lab.host.models = [
        listed(SMALL, context=262_144, max_output=65_536),
        listed(GLM, context=66_000, max_output=8_000),
        listed(GPT, context=1_050_000, max_output=128_000),
    ]
    configure(lab, f"models: {{big: {GLM}, small: {SMALL}, long_context: {GPT}}}\n")
    # Lines of words, since the client's Read refuses what it takes for too many tokens at once.
    for name in "abcd":
        (lab.project / f"{name}.txt").write_text("some plain words to read in a line\n" * 1_900)
    steps: list[Scripted] = [
        [tool_call("Read", {"file_path": str(lab.project / f"{name}.txt")}, call_id=f"r{name}")] for name in "abcd"
    ]
    lab.host.script(script(*steps, text("Read it all.")))
    done = await lab.ask("read the files")
    assert (done.code, done.result["result"]) == (0, "Read it all."), done.stderr
    served = [ask.model for ask in lab.host.asks if ask.body.get("tools")]
    assert served[0] == GLM
    assert served[-1] == GPT
    assert served == sorted(served, key=[GLM, GPT].index)
    assert "summary" not in str([ask.messages[-1] for ask in lab.host.asks])
    assert done.result["modelUsage"][GLM]["contextWindow"] == 1_050_000
    messages = [event["message"] for event in done.events if event.get("type") == "assistant"]
    assert {message["model"] for message in messages} == {GLM}


@pytest.mark.slow
async def test_an_edit_of_the_configuration_holds_from_the_next_request_of_the_same_session(lab: Lab) -> None:
    def models(big: str) -> str:
        return f"models: {{big: {big}, small: {SMALL}}}\n"

    configure(lab, models(GLM))
    path = lab.home / ".config/claude-or/config.yaml"
    edits = [models(GPT), "models: {big: [no, model]}\n"]
    served: list[str] = []

    def brain(ask: Ask, _n: int) -> Scripted:
        if not ask.body.get("tools"):
            return text("Aside.")
        served.append(ask.model)
        if not edits:
            return text("Done.")
        path.write_text(edits.pop(0))
        return [tool_call("Bash", {"command": "true", "description": "x"}, call_id=f"b{len(served)}")]

    lab.host.script(brain)
    done = await lab.ask("work")
    assert (done.code, done.result["result"]) == (0, "Done."), done.stderr
    assert served == [GLM, GPT, GPT]
    assert "the last edit of the configuration was not applied" in done.stderr
    messages = [event["message"] for event in done.events if event.get("type") == "assistant"]
    assert {message["model"] for message in messages} == {GLM}
