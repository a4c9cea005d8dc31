"""Files of MCP servers: what is right, and what is said about what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claude_or.config.document import read_document
from claude_or.config.mcp import McpFile, file_of
from claude_or.config.mcp_check import editor_schema, file_problems

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "mcp_servers.schema.json"
OLDER = """
servers:
  fetch_server:
    type: python
    command: "uvx mcp-server-fetch"
    python_version: "3.11"
    environment:
      PATH: "/home/me/.local/bin:$PATH"
    health_check: "http://localhost:3001/health"
  memory:
    type: node
    command: npx -y @modelcontextprotocol/server-memory
    node_version: "22"
    environment: {}
"""


def told(text: str) -> list[str]:
    """What is said about a file, each with its key."""
    document = read_document(text)
    assert not document.problems
    return [f"{'.'.join(problem.path)}: {problem.text}" for problem in file_problems(document.values)]


def loaded(text: str) -> McpFile:
    """A right file."""
    assert told(text) == []
    return file_of(read_document(text).values)


def test_the_older_form_loads_unchanged() -> None:
    fetch, memory = loaded(OLDER).servers.values()

    assert (fetch.type, fetch.command, fetch.python_version) == ("python", "uvx mcp-server-fetch", "3.11")
    assert fetch.health_check == "http://localhost:3001/health"
    assert (memory.type, memory.node_version, memory.environment) == ("node", "22", {})


def test_every_key_may_be_written() -> None:
    file = loaded("""
version: 1
defaults: {start_timeout: 40, restart: never, inherit: [HTTPS_PROXY]}
servers:
  a:
    command: [server, "a b"]
    args: [--port, 3000]
    environment: {PORT: 3000, DEBUG: true}
    cwd: .
    enabled: true
    restart: on-failure
    max_restarts: 3
    restart_window: 60
    call_keepalive: 15
    on_unhealthy: restart
    health: {ping: false, interval: 10, timeout: 2, failures: 2, url: "http://127.0.0.1:1/"}
    tools: {allow: ["read_*"], deny: [read_all]}
  b: {type: sse, url: "https://example.org/mcp", headers: {Authorization: "Bearer ${TOKEN}"}}
  c: {command: other, supervise: false}
""")
    a, b, c = file.servers.values()

    assert (a.restart, a.start_timeout, a.inherit) == ("on-failure", 40, ["HTTPS_PROXY"])
    assert (c.restart, c.supervise) == ("never", False)
    assert a.health is not None
    assert a.health.failures == 2
    assert a.tools is not None
    assert a.tools.allow == ["read_*"]
    assert b.is_remote


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("comand: x", "servers.a.comand: unknown key; did you mean command?"),
        ("type: pyton\n    command: x", "servers.a.type: expected python, node, command, http or sse, got 'pyton'"),
        ("command: x\n    python_version: 3.10", 'servers.a.python_version: put the version in quotes, like "3.10"'),
        ("command: x\n    node_version: 22", 'servers.a.node_version: put the version in quotes, like "22"'),
        ("command: x\n    python_version: three", 'servers.a.python_version: expected a version such as "3.12"'),
        ("command: 3", "servers.a.command: expected a command line as text, or a list of its parts"),
        ("command: x 'y", "servers.a.command: this command line cannot be split: no closing quotation"),
        ("type: python", "servers.a: a server of type python needs `command:`"),
        ("type: http", "servers.a: a server of type http needs `url:`"),
        ("type: http\n    url: ftp://x", "servers.a.url: expected an address that begins with https://"),
        ("command: x\n    url: https://x", "servers.a.url: this means nothing for a server of type command"),
        ("command: x\n    start_timeout: 0", "servers.a.start_timeout: expected a number from 1 to 600, got 0"),
        ("command: x\n    environment: {A: 1.10}", "servers.a.environment.A: put the value in quotes"),
        ("command: x\n    environment: {A-B: x}", "servers.a.environment: 'A-B' is no name of a variable"),
        ("command: x\n    enabled: maybe", "servers.a.enabled: expected true or false, got maybe"),
        ("command: x\n    health: {pong: true}", "servers.a.health.pong: unknown key; did you mean ping?"),
        ("command: x\n    env: {A: b}", "servers.a.env: unknown key; did you mean environment?"),
        (
            "type: stdio\n    command: x",
            "servers.a.type: expected python, node, command, http or sse, got 'stdio'; did you mean command?",
        ),
        ("command: x\n    supervise: false\n    cwd: /x", "servers.a.cwd: this needs `supervise: true`"),
        ("command: x\n    supervise: false\n    tools: {deny: [x]}", "servers.a.tools: lists of tools need"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_the_fix(entry: str, said: str) -> None:
    (line,) = told(f"servers:\n  a:\n    {entry}\n")
    assert line.startswith(said)


def test_all_mistakes_are_told_at_once() -> None:
    assert len(told("servers:\n  a: {comand: x, enabled: 3}\n  b: {type: 7}\nserver: {}\n")) == 4


def test_a_name_must_fit_the_clients_names_of_tools() -> None:
    assert told('servers:\n  "a b": {command: x}\n') == [
        "servers.a b: a server's name has 1 to 48 letters, digits, hyphens and underscores"
    ]


def test_an_empty_section_means_nothing() -> None:
    assert loaded("servers:\n").servers == {}
    assert loaded("servers:\n  a:\n    command: x\n    environment:\n    tools:\n").servers["a"].environment == {}


def test_the_schema_for_editors_is_the_one_of_the_code() -> None:
    stored: Any = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert stored == editor_schema(), "write it anew: python -m tests.config.test_mcp_check"


def test_the_schema_for_editors_describes_the_keys() -> None:
    entry = editor_schema()["$defs"]["McpEntry"]
    assert entry["additionalProperties"] is False
    assert "in quotes" in entry["properties"]["python_version"]["description"]


if __name__ == "__main__":
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(json.dumps(editor_schema(), indent=2) + "\n", encoding="utf-8")
