"""What `claude` gets: its environment and the settings file that pins it.

Both are needed. The environment reaches everything that `claude` starts; but the `env` block of a user's `settings.json` outranks
an inherited variable, and only a file given by `--settings` outranks that. So the same values stand in both, and no
settings file can lead a request past the proxy.

`Facts` are what the settings and the catalogue say, as plain values fit for `marshal`: computed once per change, by
`session/facts.py`, and cached. This module only fills in what is new in each session, so it is light and pure.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Facts = Mapping[str, Any]

URL = "http://127.0.0.1:0/claude-or"
"""Stands for the proxy's address in the prepared settings text."""
TOKEN = "claude-or-session-token"
"""Stands for the session's token in the prepared settings text."""
NO_PROXY = "claude-or-no-proxy"
"""Stands for the merged list of hosts that no HTTP proxy may see."""
STATUS = "claude-or-status-line"
"""Stands for the command of the status line."""

CAP = 200_000
"""Above this window the client complains on stderr, in print mode, that it cannot enforce the switch for an id it does not know.

Print mode has no `/model` that could fall into the million-token trap, and `--model` is translated, so there it can go.
"""

MILLION = 1_000_000
"""From this window on the client's own switch to a million tokens is no trap."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

MARK = "CLAUDE_OR_SESSION"
"""Set for the child: the path of the session's settings file. A `claude-or` started inside a session finds it there."""

NEUTRALISED = (
    "ANTHROPIC_API_KEY",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_GATEWAY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_DEFAULT_MODEL",
    "ANTHROPIC_UNIX_SOCKET",
)
"""Variables that would lead requests elsewhere or change who they are from: set to nothing, in both places."""

REMOVED = ("CLAUDECODE", "CLAUDE_CODE_SSE_PORT", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SESSION_ID")
"""Marks that an outer Claude Code leaves for its children; a session of its own must not believe that it is one."""


def pinned(facts: Facts) -> dict[str, str]:
    """The variables that are the same in every session with these facts; address, token and proxies as placeholders."""
    variables = {str(name): "" for name in NEUTRALISED}
    variables["ANTHROPIC_BASE_URL"] = URL
    variables["ANTHROPIC_AUTH_TOKEN"] = TOKEN
    variables["NO_PROXY"] = variables["no_proxy"] = NO_PROXY
    models = facts["models"]
    variables["ANTHROPIC_MODEL"] = models["main"]
    variables["ANTHROPIC_SMALL_FAST_MODEL"] = models["haiku"]
    for tier in ("opus", "sonnet", "haiku", "fable"):
        variables[f"ANTHROPIC_DEFAULT_{tier.upper()}_MODEL"] = models[tier]
        variables[f"ANTHROPIC_DEFAULT_{tier.upper()}_MODEL_NAME"] = facts["labels"][tier]
        variables[f"ANTHROPIC_DEFAULT_{tier.upper()}_MODEL_DESCRIPTION"] = facts["descriptions"][tier]
    variables["CLAUDE_CODE_SUBAGENT_MODEL"] = models["subagent"]
    variables["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] = str(facts["window"])
    variables["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(facts["output"])
    # The window variable is ignored for ids that the client knows, and by some versions when it compacts; this one is not.
    variables["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] = str(facts["window"])
    unenforceable = facts["printing"] and facts["window"] > CAP and not facts["known_to_client"]
    if facts["window"] < MILLION and not unenforceable:
        variables["CLAUDE_CODE_DISABLE_1M_CONTEXT"] = "1"
    variables["CLAUDE_CODE_ATTRIBUTION_HEADER"] = "0"
    variables["ENABLE_TOOL_SEARCH"] = "true" if facts["tool_search"] else "false"
    if not facts["nonessential_traffic"]:
        variables["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1"
    if facts["auto_mode"] == "local":
        variables["CLAUDE_CODE_AUTO_MODE_SERVER"] = "0"
    return variables


def settings_of(facts: Facts) -> dict[str, Any]:
    """The settings file without anything of the user's; address, token and proxies as placeholders."""
    settings: dict[str, Any] = {
        "env": pinned(facts),
        # A helper of the user's would replace the session's token by a key that the proxy does not know.
        "apiKeyHelper": "",
        "model": facts["models"]["main"],
        "skipWebFetchPreflight": True,
        "modelPicker": {"replaceBuiltInOptions": True, "options": facts["picker"]},
    }
    if facts["status_line"]:
        settings["statusLine"] = {"type": "command", "command": STATUS, "padding": 0}
    if facts["auto_mode"] == "off":
        settings["permissions"] = {"disableAutoMode": "disable"}
    return settings


def merged(users: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """The user's `--settings` with ours on top: sections are merged, in conflicts ours wins."""
    both = dict(users)
    for name, value in ours.items():
        there = both.get(name)
        both[name] = merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return both


def filled(text: str, *, url: str, token: str, no_proxy: str, status: str = "") -> str:
    """A prepared text with this session's values. Only `status`, a command, may hold characters that JSON escapes."""
    command = status.replace("\\", "\\\\").replace('"', '\\"')
    return text.replace(URL, url).replace(TOKEN, token).replace(NO_PROXY, no_proxy).replace(STATUS, command)


def no_proxy_of(environ: Mapping[str, str], more: Sequence[str] = ()) -> str:
    """The user's own exceptions, `more` of them, and the loopback names. Quotes and backslashes have no place in a list of hosts."""
    hosts: list[str] = []
    for said in (environ.get("NO_PROXY", ""), environ.get("no_proxy", ""), *more):
        for host in said.replace('"', "").replace("\\", "").replace(" ", ",").split(","):
            if host and host.isprintable() and host not in hosts:
                hosts.append(host)
    return ",".join([*hosts, *(host for host in LOOPBACK if host not in hosts)])


def environment_of(
    environ: Mapping[str, str], variables: Mapping[str, str], *, without: tuple[str, ...], settings_path: str
) -> dict[str, str]:
    """The child's environment: the user's, less our key sources and what an outer session left, plus the pinned variables."""
    child = {name: value for name, value in environ.items() if name not in without and name not in REMOVED}
    child.update(variables)
    child[MARK] = settings_path
    return child
