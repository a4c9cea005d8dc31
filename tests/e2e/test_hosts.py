"""The real client on a host that speaks plain chat completions, and on a fallback while the first model is down."""

from __future__ import annotations

from tests.fakes.listing import GLM, GPT
from tests.fakes.openrouter import Ask
from tests.fakes.plain_host import Say, plain_host
from tests.fakes.replies import error, text, tool_call
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
        assert "unknown cost" in done.stderr
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
