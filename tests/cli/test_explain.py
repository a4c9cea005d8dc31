"""`claude-or explain`: a saved request, what it becomes, and what is lost, with nobody asked."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from claude_or.cli.explain import explain
from claude_or.cli.main import main
from claude_or.cli.models import models
from claude_or.cli.result import CommandResult
from claude_or.config.load import Overrides
from claude_or.errors import EXIT_USAGE, ClaudeOrError
from tests.cli.conftest import KEY
from tests.cli.host import Host
from tests.fakes.papers import document, picture

REQUEST: dict[str, Any] = {
    "model": "opus",
    "max_tokens": 100,
    "stream": True,
    "metadata": {"user_id": '{"session_id": "s-1"}'},
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [{"role": "user", "content": "hi " * 300}],
}


@pytest.fixture
def ask(environ: dict[str, str], cwd: str, tmp_path: Path) -> Any:
    def saved(content: Any, **overrides: str) -> CommandResult:
        path = tmp_path / "request.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return explain(str(path), environ, cwd, Overrides(**overrides))

    return saved


def test_it_tells_the_route_the_upstream_request_and_the_losses(
    ask: Any, environ: dict[str, str], cwd: str, host: Host
) -> None:
    models(environ, cwd, Overrides(), time.time())
    before = len(host.asked)

    result = ask(REQUEST, big="z-ai/glm-5.3")

    assert result.data["route"]["routes"] == [{"host": "openrouter", "slug": "z-ai/glm-5.3", "path": "chat"}]
    assert result.data["route"]["role"] == "opus"
    assert result.data["route"]["reason"]
    upstream = result.data["upstream"]
    assert upstream["model"] == "z-ai/glm-5.3"
    assert upstream["session_id"].startswith("s-1:")
    assert upstream["messages"][-1]["content"] == "hi " * 300
    assert [loss["where"] for loss in result.data["losses"]] == ["metadata"]
    assert len(host.asked) == before
    assert result.exit_code == 0


def test_a_claude_model_goes_the_native_path_and_the_reason_is_told(ask: Any) -> None:
    result = ask(REQUEST | {"mcp_servers": [], "a_new_field": {"x": 1}})
    route = result.data["route"]
    assert route["routes"] == [{"host": "openrouter", "slug": "~anthropic/claude-opus-latest", "path": "native"}]
    assert "speak the Messages API" in route["path_reason"]
    upstream = result.data["upstream"]
    assert upstream["system"] == REQUEST["system"]
    assert upstream["a_new_field"] == {"x": 1}
    assert [loss["where"] for loss in result.data["losses"]] == ["metadata.user_id"]


def test_people_see_long_texts_shortened(ask: Any) -> None:
    shown = ask(REQUEST).summary
    assert "(900 characters)" in shown
    assert "hi " * 100 not in shown


@pytest.mark.parametrize("body", [REQUEST, json.dumps(REQUEST)], ids=["object", "text"])
def test_a_body_in_an_envelope_is_the_same_request(ask: Any, body: Any) -> None:
    assert ask({"url": "/v1/messages", "body": body}).data == ask(REQUEST).data


def test_without_a_listing_it_says_that_it_guesses(ask: Any) -> None:
    assert [finding.check for finding in ask(REQUEST).findings if finding.level == "warn"] == ["listing"]


def test_the_key_is_nowhere(ask: Any) -> None:
    result = ask(REQUEST)
    assert KEY not in json.dumps(result.data) + result.summary + repr(result.tables)


def test_a_request_that_would_be_refused_is_told_with_its_field(ask: Any) -> None:
    asked = REQUEST | {"mcp_servers": [{"type": "url", "url": "https://example.org", "name": "x"}]}
    result = ask(asked, big="z-ai/glm-5.3")
    assert result.exit_code == 1
    assert any("mcp_servers" in finding.text for finding in result.findings if finding.level == "error")
    assert result.data["upstream"] is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        ({"model": "opus", "max_tokens": 5, "messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"body": {"model": "opus"}}, "max_tokens"),
        (b"[" * 10_000, "nested too deeply"),
    ],
)
def test_what_is_no_request_is_named(ask: Any, content: Any, told: str) -> None:
    with pytest.raises(ClaudeOrError) as refused:
        ask(content)
    assert told in refused.value.message
    assert refused.value.hint


def test_a_missing_file_is_a_mistake_of_the_command_line(environ: dict[str, str], cwd: str) -> None:
    with pytest.raises(ClaudeOrError) as refused:
        explain(cwd + "/nowhere.json", environ, cwd, Overrides())
    assert refused.value.exit_code == EXIT_USAGE


def test_the_command_reads_standard_input_and_prints_json(
    environ: dict[str, str], cwd: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(cwd)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(REQUEST).encode())))

    assert main(["explain", "-", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["command"] == "explain"
    assert told["data"]["upstream"]["messages"]


def test_it_says_who_searches_the_web(ask: Any, environ: dict[str, str], tmp_path: Path) -> None:
    tool = {"type": "web_search_20250305", "name": "web_search"}
    by_host = ask({**REQUEST, "tools": [tool]}, big="z-ai/glm-5.3")
    assert by_host.data["web_search"] == "the host, openrouter, by openrouter:web_search"
    assert by_host.data["upstream"]["tools"] == [{"type": "openrouter:web_search"}]
    config = tmp_path / "search.yaml"
    config.write_text("web_search: {source: brave}\n")
    by_us = ask({**REQUEST, "tools": [tool]}, big="z-ai/glm-5.3", config=str(config))
    assert by_us.data["web_search"].startswith("brave, by a function of ours")
    assert by_us.data["upstream"]["tools"][0]["function"]["name"] == "web_search"
    assert ("web search", by_us.data["web_search"]) in by_us.tables[0].rows
    place = {"type": "approximate", "country": "BE", "city": "Ghent"}
    placed = ask({**REQUEST, "tools": [{**tool, "user_location": place}]}, big="z-ai/glm-5.3", config=str(config))
    assert [found.text for found in placed.findings if "user_location" in found.text]
    config.write_text("web_search: {source: off}\n")
    off = ask({**REQUEST, "tools": [tool]}, big="z-ai/glm-5.3", config=str(config))
    assert off.data["web_search"] == "off: the request is refused"


def test_it_says_who_keeps_the_schema(ask: Any, environ: dict[str, str], tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    wanted = {**REQUEST, "output_config": {"format": {"type": "json_schema", "schema": schema}}}
    assert "structured_output" not in ask(REQUEST, big="z-ai/glm-5.3").data
    by_us = ask(wanted, big="acme/unknown")
    assert by_us.data["structured_output"] == "claude-or: the answer is checked, and asked for again up to 2 times"
    assert ("structured output", by_us.data["structured_output"]) in by_us.tables[0].rows
    assert ask(wanted, big="anthropic/claude-opus-5.5").data["structured_output"] == "the host, openrouter"
    config = tmp_path / "loose.yaml"
    config.write_text("structured_output: {check: false}\n")
    off = ask(wanted, big="acme/unknown", config=str(config))
    assert off.data["structured_output"] == "nobody: structured_output.check is off"


def test_it_shows_the_schema_in_words_and_refuses_one_that_is_none(ask: Any, tmp_path: Path) -> None:
    def wanting(schema: Any) -> dict[str, Any]:
        return {**REQUEST, "output_config": {"format": {"type": "json_schema", "schema": schema}}}

    config = tmp_path / "native.yaml"
    config.write_text("paths: {'*': native}\n")
    shown = ask(wanting({"type": "object"}), big="acme/unknown", config=str(config))
    assert "Answer with one JSON value" in str(shown.data["upstream"]["system"])
    refused = ask(wanting({"type": "zebra"}), big="acme/unknown")
    assert refused.exit_code == 1
    assert "output_config.format.schema.type" in str(refused.findings[-1])


def test_it_says_who_looks_at_pictures_and_documents(ask: Any, environ: dict[str, str], tmp_path: Path) -> None:
    shown = {**REQUEST, "messages": [{"role": "user", "content": [picture(1), picture(2), document("a")]}]}
    assert "pictures" not in ask(shown, big="z-ai/glm-5.3").data
    config = tmp_path / "eyes.yaml"
    config.write_text(
        "models: {vision: google/gemini-4-argon}\n"
        "providers: {lab: {base_url: 'http://127.0.0.1:9/v1', models: {tiny: {images: false}}}}\n"
    )
    told = ask(shown, big="lab:tiny", config=str(config))
    assert told.data["pictures"].startswith("2, described by models.vision, google/gemini-4-argon")
    assert told.data["pdf"] == "1, as text that is extracted here"
    config.write_text(config.read_text().replace("vision: google/gemini-4-argon", "vision: lab:tiny"))
    assert "pictures" not in ask(shown, big="lab:tiny", config=str(config)).data


FETCH = {"type": "web_fetch_20250910", "name": "web_fetch"}


def test_it_says_who_fetches_pages(ask: Any, tmp_path: Path) -> None:
    by_host = ask({**REQUEST, "tools": [FETCH]}, big="z-ai/glm-5.3")
    assert by_host.data["web_fetch"] == "the host, openrouter, by openrouter:web_fetch"
    cited = ask({**REQUEST, "tools": [{**FETCH, "citations": {"enabled": True}}]}, big="z-ai/glm-5.3")
    assert [found.text for found in cited.findings if found.text.startswith("citations")]
    native = ask({**REQUEST, "tools": [FETCH]}, big="anthropic/claude-sonnet-5")
    assert native.data["web_fetch"] == "the host, openrouter, by its own tool"
    config = tmp_path / "elsewhere.yaml"
    config.write_text("providers: {ollama: {base_url: 'http://127.0.0.1:9/v1'}}\n")
    refused = ask({**REQUEST, "tools": [FETCH]}, big="ollama:tiny", config=str(config))
    assert refused.data["web_fetch"] == "nobody: ollama has no tool for it"
    assert "does not fetch pages" in refused.findings[-1].text
    assert refused.exit_code != 0
