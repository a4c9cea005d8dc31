"""`claude-or doctor`: everything a session needs, looked at side by side, each finding with its next step.

Every check has its own time limit and its own boundary, so that one that hangs or breaks hides none of the others. Without
network the rest is still told. What a finding says never holds the key.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from urllib.parse import urlsplit

from claude_or.cli.doctor_abilities import check_abilities
from claude_or.cli.doctor_machine import Screen, check_clock, check_disk, check_leftovers, check_terminal
from claude_or.cli.doctor_models import check_models
from claude_or.cli.key_facts import KEYS_PAGE, key_findings
from claude_or.cli.own_hosts import check_own_host
from claude_or.cli.result import CommandResult, Finding, counted, exit_code_of
from claude_or.config.folders import short
from claude_or.config.key import Key, key_variables
from claude_or.config.load import Loaded, Overrides, load, user_file
from claude_or.config.names import DEFAULT_HOST
from claude_or.config.schema import Settings
from claude_or.config.search_sources import MCP as MCP_SEARCH
from claude_or.errors import ClaudeOrError
from claude_or.routing.names import hosts_in_use, names_told
from claude_or.session.conflicts import conflicts
from claude_or.session.keys import key_of
from claude_or.session.versions import NEWEST, OLDEST, remark_on
from claude_or.upstream.catalogue import Answer, Cause, Unreachable
from claude_or.upstream.openrouter import proxy_for
from claude_or.upstream.probe import probing

REQUEST_WITHIN_S = 5.0
CHECK_WITHIN_S = 15.0
MCP = "mcp"
SERVERS_WITHIN_S = 90.0
"""MCP servers have a limit of their own each; this is for all of them, side by side."""
INSTALL_HINT = (
    "Install it: npm install -g @anthropic-ai/claude-code, or name it: export CLAUDE_OR_CLAUDE=/path/to/claude"
)

UNREACHABLE_FIX: dict[Cause, str] = {
    "": "Check the network and OPENROUTER_BASE_URL.",
    "dns": "Check the network (a name server answers?), OPENROUTER_BASE_URL, and whether this network needs HTTPS_PROXY.",
    "tls": "If a company opens encrypted connections here, name its certificate: export NODE_EXTRA_CA_CERTS=/path/to/ca.pem. "
    "Otherwise check the clock and OPENROUTER_BASE_URL.",
    "proxy": "Correct or unset HTTPS_PROXY; NO_PROXY names hosts that need none.",
    "connection": "Check the network, a firewall, and OPENROUTER_BASE_URL.",
    "silence": "Check the network, a firewall that drops connections, and whether this network needs HTTPS_PROXY.",
}

COUNTS = (("errors", "error"), ("warnings", "warn"))

Watch = Callable[[str, Sequence[Finding] | None], None]


def _nobody(name: str, findings: Sequence[Finding] | None) -> None:
    """Nobody watches."""
    del name, findings


FindClaude = Callable[[Mapping[str, str]], str | None]
Findings = list[Finding]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that the checks look at. `now` is in seconds since the epoch, `screen` the terminal's size, None without one.

    `watch` is told of each check when it begins (None) and when it ended (its findings).
    """

    environ: Mapping[str, str]
    cwd: str
    overrides: Overrides
    now: float
    find_claude: FindClaude
    screen: Screen | None = None
    watch: Watch = _nobody


def doctor(around: Surroundings) -> CommandResult:
    """Run all checks and order their findings by subject."""
    findings = tuple(asyncio.run(examine(around)))
    return CommandResult(
        "doctor",
        data={name: sum(finding.level == level for finding in findings) for name, level in COUNTS},
        findings=findings,
        summary=counted(findings),
        exit_code=exit_code_of(findings),
    )


async def examine(around: Surroundings) -> Findings:
    """All findings, in a fixed order whatever ends first."""
    loaded, config_findings = check_config(around)
    key, key_trouble = _key(around.environ, loaded)
    checks: list[tuple[str, Awaitable[Findings]]] = [("claude", check_claude(around, loaded))]
    if loaded is None:
        # A broken configuration may name another host: nothing is sent before that is known.
        skipped = [Finding("note", "host", "not looked at while the configuration is wrong")]
        checks.append(("host", _settled([*key_trouble, *skipped])))
    else:
        asked = hosts_in_use(loaded.settings)
        if DEFAULT_HOST in asked:
            checks.append(("host", check_host(around, loaded, key, key_trouble)))
            checks.append(("models", check_models(loaded, key, around.environ, around.now, REQUEST_WITHIN_S)))
        else:
            checks.append((
                "host",
                _settled([Finding("note", "host", "no role asks OpenRouter; no key of it is needed")]),
            ))
        checks += [
            (name, check_own_host(name, loaded.settings, around.environ)) for name in sorted(asked - {DEFAULT_HOST})
        ]
        checks.append(("abilities", asyncio.to_thread(check_abilities, loaded.settings, around.environ)))
    checks.append((MCP, check_servers(around, loaded)))
    checks += [
        ("settings", asyncio.to_thread(check_settings, around)),
        ("terminal", asyncio.to_thread(check_terminal, around.environ, around.screen)),
        ("disk", asyncio.to_thread(check_disk, around.environ)),
        ("leftovers", asyncio.to_thread(check_leftovers, around.environ, around.cwd, own_names(loaded))),
    ]
    for name, _ in checks:
        around.watch(name, None)
    results = await asyncio.gather(*(_bounded(name, check, key, around.watch) for name, check in checks))
    found = [finding for each in results for finding in each]
    return [*config_findings, *_said_once(found)]


def own_names(loaded: Loaded | None) -> frozenset[str]:
    """Names of models that mean something to us and nothing to plain `claude`."""
    if loaded is None:
        return frozenset()
    return frozenset({*names_told(loaded.settings), *loaded.settings.aliases})


def _said_once(findings: Findings) -> Findings:
    """Without network every check would say so; one finding is enough, the others tell what they had to rest on."""
    if not any(finding.level == "error" and finding.check == "host" for finding in findings):
        return findings
    return [
        replace(finding, level="note", fix="") if finding.check == "listing" and finding.level == "warn" else finding
        for finding in findings
    ]


async def _settled(findings: Findings) -> Findings:
    return findings


async def _bounded(name: str, check: Awaitable[Findings], key: Key | None, watch: Watch) -> Findings:
    """A check's findings; a check that takes too long or breaks is a finding itself."""
    found = await _within_limits(name, check, key)
    watch(name, found)
    return found


async def _within_limits(name: str, check: Awaitable[Findings], key: Key | None) -> Findings:
    limit_s = SERVERS_WITHIN_S if name == MCP else CHECK_WITHIN_S
    try:
        async with asyncio.timeout(limit_s):
            return await check
    except TimeoutError:
        return [Finding("error", name, f"no result within {limit_s:g} s")]
    except Exception as error:  # noqa: BLE001 - one of the four boundaries
        said = f"{type(error).__name__}: {error}"
        if key:
            said = said.replace(key.value, key.masked)
        return [Finding("error", name, "this check itself failed; that is a bug in claude-or", said)]


async def check_servers(around: Surroundings, loaded: Loaded | None) -> Findings:
    """Whether each MCP server starts and answers, in a process of its own, and has the tool that searches the web if one is to."""
    from claude_or.cli.mcp import Place
    from claude_or.cli.mcp import examine as examine_servers

    said = (loaded.settings if loaded else Settings()).web_search
    searcher = (said.server or "", said.tool or "") if said.source == MCP_SEARCH else None
    try:
        return await examine_servers(Place(around.environ, around.cwd), searcher)
    except ClaudeOrError as error:
        return [Finding("error", MCP, text, "", error.hint) for text in (error.message, *error.detail)]


def check_config(around: Surroundings) -> tuple[Loaded | None, Findings]:
    """Which files were read, or what is wrong in them."""
    try:
        loaded = load(around.environ, around.cwd, around.overrides)
    except ClaudeOrError as error:
        fix = "Correct it there; every other mistake is listed here too."
        return None, [Finding("error", "config", text, "", fix) for text in (error.message, *error.detail)]
    read = [short(seen.path, around.environ) for seen in loaded.files if seen.size >= 0]
    own, _ = user_file(around.environ, around.cwd, around.overrides)
    text = ", ".join(read) or f"no file, all defaults (yours would be {short(own, around.environ)})"
    return loaded, [Finding("ok", "config", text), *(Finding("warn", "config", warning) for warning in loaded.warnings)]


def _key(environ: Mapping[str, str], loaded: Loaded | None) -> tuple[Key | None, Findings]:
    try:
        return key_of(environ, loaded.settings if loaded else Settings()), []
    except ClaudeOrError as error:
        return None, [Finding("error", "key", error.message, "", error.hint)]


async def check_claude(around: Surroundings, loaded: Loaded | None) -> Findings:
    """Where Claude Code is, and whether it runs."""
    try:
        path = around.find_claude(around.environ)
    except ClaudeOrError as error:
        return [Finding("error", "claude", error.message, "", error.hint)]
    if path is None:
        return [Finding("error", "claude", "Claude Code was not found", "", INSTALL_HINT)]
    hidden = key_variables(loaded.settings if loaded else Settings())
    environ = {name: value for name, value in around.environ.items() if name not in hidden}
    try:
        output, code = await _output_of([path, "--version"], environ)
    except OSError as error:
        text = f"{short(path, around.environ)} cannot be started: {error.strerror}"
        return [Finding("error", "claude", text, "", INSTALL_HINT)]
    version = output.split()[0] if output.split() else ""
    if code != 0 or not version[:1].isdigit():
        text = f"{short(path, around.environ)} --version said nothing like a version (exit code {code})"
        return [Finding("error", "claude", text, output[:200], INSTALL_HINT)]
    tested = f"{path}\ntested: {OLDEST} to {NEWEST}"
    found = [Finding("ok", "claude", f"Claude Code {version} at {short(path, around.environ)}", tested)]
    if remark := remark_on(version):
        fix = (
            f"It may well work; if it does not, `claude-or install-claude --version {NEWEST}` fetches a tested one, "
            "whose path CLAUDE_OR_CLAUDE then names."
        )
        found.append(Finding("warn", "claude", remark, "", fix))
    return found


def check_settings(around: Surroundings) -> Findings:
    """Which settings of Claude Code want something else than a session, and which of them would have their way."""
    found = conflicts(around.environ, around.cwd)
    if not found:
        return [Finding("ok", "settings", "nothing in Claude Code's own settings contradicts a session")]
    fix = "Ask whoever manages this machine to take it out; claude-or cannot overrule it."
    return [
        Finding("warn", "settings", str(conflict), "", fix)
        if conflict.wins
        else Finding("note", "settings", str(conflict))
        for conflict in found
    ]


async def _output_of(command: Sequence[str], environ: Mapping[str, str]) -> tuple[str, int]:
    """What a command prints, and its exit code; the command is ended when the check is."""
    null, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=null, stdout=pipe, stderr=null, env=dict(environ))
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return output.decode(errors="replace").strip(), process.returncode or 0


async def check_host(around: Surroundings, loaded: Loaded, key: Key | None, key_trouble: Findings) -> Findings:
    """Whether the host answers, and takes the key: both from one `GET /key`."""
    base_url = loaded.settings.openrouter.base_url
    host = urlsplit(base_url).netloc
    way = _way_to(base_url, around.environ)
    try:
        async with probing(base_url, key.value if key else None, timeout_s=REQUEST_WITHIN_S) as get:
            started = perf_counter()
            answer = await get("/key", {})
            took_ms = (perf_counter() - started) * 1000
    except Unreachable as error:
        unchecked = [Finding("warn", "key", f"{key.masked} from {key.source}, not checked")] if key else []
        return [*(unchecked or key_trouble), Finding("error", "host", str(error), way, UNREACHABLE_FIX[error.cause])]
    reached = Finding("ok", "host", f"{host} answered in {took_ms:.0f} ms", way)
    if answer.status >= 500:
        reached = Finding("warn", "host", f"{host} answered with status {answer.status}", way, "Try again later.")
    told = _told_about(key, answer, around.now) if key else key_trouble
    return [*told, reached, *check_clock(answer.headers.get("date", ""), around.now)]


def _way_to(base_url: str, environ: Mapping[str, str]) -> str:
    """How the host is reached, without credentials: address, proxy, certificates."""
    parts = urlsplit(base_url)
    proxy, _ = proxy_for(parts.scheme, parts.hostname or "")
    lines = [f"address {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"]
    lines.append(f"through the proxy {proxy.host}:{proxy.port}" if proxy else "without a proxy")
    named = [
        (name, environ[name])
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
        if environ.get(name) and parts.scheme == "https"
    ]
    for name, path in named:
        missing = "" if os.path.exists(path) else ", which does not exist"
        lines += [f"certificates: {name} is {path}{missing}"]
    return "\n".join(lines)


def _told_about(key: Key, answer: Answer, now: float) -> Findings:
    import msgspec

    named = f"{key.masked} from {key.source}"
    match answer.status:
        case 200:
            try:
                return key_findings(key, msgspec.json.decode(answer.body), now)
            except (msgspec.DecodeError, RecursionError):
                return [Finding("warn", "key", f"{named}: the host's answer about it was not understood")]
        case 401 | 403:
            fix = f"Make a new key at {KEYS_PAGE} and {key.renewal}."
            return [
                Finding("error", "key", f"{named} was refused by the host (status {answer.status})", "", fix),
                *(Finding("warn", "key", text) for text in key.warnings),
            ]
        case _:
            return [Finding("warn", "key", f"{named}, not checked: the host answered with status {answer.status}")]
