"""`--dry-run`: what `claude` would get, with secrets masked. Starts nothing, writes nothing but the launch cache."""

from __future__ import annotations

import os
import shlex
import sys

from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import from_plain
from claude_or.errors import EXIT_OK, ClaudeOrError
from claude_or.session.arguments import Arguments, prints, rewrite, value_of
from claude_or.session.claude import find_claude
from claude_or.session.environment import NO_PROXY, TOKEN, URL, filled, merged, no_proxy_of
from claude_or.session.excepted import excepted
from claude_or.session.facts import model_argument
from claude_or.session.flow import read_settings, status_command
from claude_or.session.keys import key_of
from claude_or.session.plan import LaunchPlan, launch_plan

SHOWN_URL = "http://127.0.0.1:PORT"
SHOWN_TOKEN = "(random, this session only)"
SHOWN_SETTINGS = "SETTINGS_FILE"
SHOWN_CONFIG = "MCP_FILE"
SECRET_WORDS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


def rehearse(arguments: Arguments, environ: dict[str, str]) -> int:
    """Print environment, settings file and arguments. Raises `ClaudeOrError` for what would keep the session from starting."""
    from claude_or.config.folders import cache_folder

    ours = {name: value for name, value in arguments.ours.items() if name != "--dry-run"}
    plan = launch_plan(
        environ, os.getcwd(), ours, cache_folder(environ), printing=prints(arguments.theirs), may_ask=False
    )
    settings = from_plain(plan.settings)
    servers = _servers(plan)
    configs = [SHOWN_CONFIG] if any(not line.startswith("#") for line in servers) else []
    model = model_argument(settings, plan.facts["long"])
    theirs = rewrite(arguments.theirs, settings=SHOWN_SETTINGS, model=model, mcp_configs=configs)
    lines = [
        "# claude",
        find_claude(environ) or "(not found)",
        "",
        "# key (stays with claude-or)",
        _key(environ, plan),
        "",
        "# arguments",
        shlex.join(["claude", *theirs]),
        "",
        "# environment: the current one, with these set",
        *(f"{name}={value}" for name, value in sorted(_variables(environ, plan).items())),
        "# and these removed",
        *plan.without,
        "",
        f"# {SHOWN_SETTINGS}",
        _settings(arguments, environ, plan),
    ]
    if servers:
        lines += ["", f"# {SHOWN_CONFIG}: these MCP servers, started before claude", *servers]
    if plan.facts["assumed"]:
        guessed = ", ".join(plan.facts["assumed"])
        lines += ["", f"# window assumed, because the listing does not tell it: {guessed}"]
    if plan.facts["bundled"]:
        lines += ["", f"# no list of models could be had: windows by the facts of {plan.facts['bundled']}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_OK


def _servers(plan: LaunchPlan) -> list[str]:
    """What would be started for MCP, without the values of variables."""
    if plan.mcp is None:
        return []
    lines: list[str] = []
    for launch in plan.mcp["launches"]:
        said = " || ".join(shlex.join(command) for command in launch["commands"])
        for secret in launch["secrets"]:
            said = said.replace(secret, "(hidden)")
        lines.append(f"{launch['name']}: {said} (in {launch['cwd']}; sees {', '.join(sorted(launch['env']))})")
    lines += [f"{name}: left to claude, {entry.get('type')}" for name, entry in plan.mcp["passed"].items()]
    return lines + [f"# {warning}" for warning in plan.mcp["warnings"]]


def _key(environ: dict[str, str], plan: LaunchPlan) -> str:
    try:
        key = key_of(environ, from_plain(plan.settings))
    except ClaudeOrError as error:
        return f"({error.message})" if DEFAULT_HOST in plan.keys else "(none needed: no role asks OpenRouter)"
    return f"{key.masked} from {key.source}"


def _variables(environ: dict[str, str], plan: LaunchPlan) -> dict[str, str]:
    shown = {URL: SHOWN_URL, TOKEN: SHOWN_TOKEN, NO_PROXY: no_proxy_of(environ, excepted(environ))}
    return {name: shown.get(value, value) for name, value in plan.variables.items()}


def _settings(arguments: Arguments, environ: dict[str, str], plan: LaunchPlan) -> str:
    import json

    text = filled(
        plan.settings_text,
        url=SHOWN_URL,
        token=SHOWN_TOKEN,
        no_proxy=no_proxy_of(environ, excepted(environ)),
        status=status_command(),
    )
    users = value_of(arguments.theirs, "--settings")
    settings = json.loads(text) if users is None else merged(read_settings(users), json.loads(text))
    env = settings["env"]
    # What the user put into `--settings` may hold secrets of other programs.
    for name in env.keys() - plan.variables.keys():
        if any(word in name.upper() for word in SECRET_WORDS):
            env[name] = "(hidden)"
    return json.dumps(settings, indent=2, ensure_ascii=False)
