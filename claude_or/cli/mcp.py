"""`claude-or mcp …`: the servers that the files name, whether they start, and what must be approved.

`test` and `doctor` start servers of their own and end them. Those of the running sessions are in `mcp_running`.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from claude_or.cli.result import Column, CommandResult, Finding, Table, counted, exit_code_of
from claude_or.config.check import nearest_hint
from claude_or.config.folders import short
from claude_or.errors import EXIT_CONFIG, EXIT_FAILURE, EXIT_USAGE, ClaudeOrError
from claude_or.mcp.interpreters import python_question
from claude_or.mcp.launch import McpLaunch
from claude_or.mcp.probe import Probed, probe
from claude_or.mcp.resolve import Resolved
from claude_or.mcp.setup import Group, Survey, survey
from claude_or.mcp.sources import user_place
from claude_or.mcp.trust import approve, revoke
from claude_or.session.approval import shown

WARM_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command was given; `named` are the values of `--mcp`."""

    environ: Mapping[str, str]
    cwd: str
    named: tuple[str, ...] = ()

    def survey(self) -> Survey:
        """What the files say."""
        return survey(self.environ, self.cwd, self.named)


def list_servers(place: Place) -> CommandResult:
    """Every server of every file, and whether the next session starts it."""
    found = place.survey()
    effective = found.effective()
    rows: list[tuple[str, ...]] = []
    data: list[dict[str, object]] = []
    findings = [Finding("error", "mcp", mistake) for group in found.groups for mistake in group.mistakes]
    for name, (server, group) in effective.items():
        kind = (
            "supervised"
            if server.launch
            else "left to claude"
            if server.passed and "command" in server.passed
            else "remote"
        )
        state = "yes" if group.trusted and not server.problem else "no: not approved" if not group.trusted else "no"
        command = _masked(shlex.join(server.argv), server)
        rows.append((name, kind, state, server.problem or command, group.source.shown))
        data.append({
            "name": name, "kind": kind, "starts": state == "yes", "approved": group.trusted, "command": command,
            "file": group.source.path, "variables": list(server.used), "problem": server.problem,
        })  # fmt: skip
        findings += [Finding("warn", name, warning) for warning in (*server.warnings, *server.notes)]
    for name, source in found.disabled:
        if name not in effective:
            rows.append((name, "disabled", "no", "", source.shown))
            data.append({"name": name, "kind": "disabled", "starts": False, "file": source.path})
    last = (Column("command", is_path=True), Column("file", is_path=True, minor=1))
    columns = (Column("server"), Column("kind"), Column("starts"), *last)
    own = short(user_place(place.environ, place.cwd), place.environ)
    return CommandResult(
        "mcp list",
        data,
        (Table("MCP servers", columns, tuple(rows)),) if rows else (),
        tuple(findings),
        "" if rows else f"No MCP servers. Yours would stand in {own}; `claude-or mcp import FILE` takes over claude's.",
        exit_code_of(tuple(findings)),
    )


def try_server(name: str, place: Place) -> CommandResult:
    """Start one server, ask it, and end it; a remote one is only asked. Raises `ClaudeOrError`."""
    server, group = _named(name, place)
    if group.trusted and _is_remote(server):
        done = asyncio.run(_asked(server, place.environ))
    else:
        done = asyncio.run(_probed(_startable(server, group), server))
    finding = finding_of(done)
    table = Table("Tools", (Column("tool"),), tuple((tool,) for tool in done.tools))
    return CommandResult(
        "mcp test",
        {"works": done.works, **asdict(done)},
        (table,) if done.tools else (),
        (finding,),
        exit_code=exit_code_of((finding,)),
    )


def warm(names: tuple[str, ...], place: Place) -> CommandResult:
    """Start each server once with all the time it needs, so that what it is made of is downloaded."""
    chosen = [_named(name, place) for name in names] or list(place.survey().effective().values())
    launches = [(_patient(server.launch), server) for server, group in chosen if server.launch and group.trusted]

    async def all_of_them() -> list[Probed]:
        return [await _probed(launch, server) for launch, server in launches]  # one after the other: they share caches

    done = asyncio.run(all_of_them())
    findings = (
        *(finding_of(one) for one in done),
        *(_not_warmed(server, group) for server, group in chosen if not _warms(server, group)),
    )
    data = [{"works": one.works, **asdict(one)} for one in done]
    summary = counted(findings) if findings else "There is nothing to warm up."
    return CommandResult("mcp warm", data, (), findings, summary, exit_code_of(findings))


def _warms(server: Resolved, group: Group) -> bool:
    return group.trusted and server.launch is not None


def _not_warmed(server: Resolved, group: Group) -> Finding:
    """Why a server was left out."""
    check = f"mcp {server.name}"
    if not group.trusted:
        return Finding("note", check, f"left out: {group.source.shown} is not approved", fix="`claude-or mcp trust`")
    if server.problem:
        return Finding("error", check, server.problem)
    return Finding("note", check, "left out: claude itself connects to it")


def _patient(launch: McpLaunch) -> McpLaunch:
    from dataclasses import replace

    return replace(launch, start_timeout=WARM_LIMIT_S)


async def examine(place: Place, searcher: tuple[str, str] | None = None) -> list[Finding]:
    """For `doctor`: every server started or asked side by side, those that are not approved named. Raises `ClaudeOrError`.

    `searcher` is the server and its tool that are to search the web.
    """
    found = place.survey()
    findings = [Finding("error", "mcp", mistake) for group in found.groups for mistake in group.mistakes]
    tries: list[Awaitable[Probed]] = []
    for group in found.groups:
        if not group.trusted and not group.mistakes:
            text = f"{group.source.shown} names MCP servers that are not approved"
            findings.append(Finding("note", "mcp", text, fix="`claude-or mcp trust` shows them and asks."))
    for server, group in found.effective().values():
        findings += [Finding("warn", f"mcp {server.name}", note) for note in (*server.warnings, *server.notes)]
        if server.problem:
            findings.append(Finding("error", f"mcp {server.name}", server.problem))
        elif server.launch is not None and group.trusted:
            tries.append(_probed(server.launch, server))
        elif group.trusted and _is_remote(server):
            tries.append(_asked(server, place.environ))
    done = await asyncio.gather(*tries)
    return findings + [finding_of(one) for one in done] + _search_findings(searcher, found.effective(), done)


def _search_findings(
    searcher: tuple[str, str] | None, servers: Mapping[str, tuple[Resolved, Group]], done: Sequence[Probed]
) -> list[Finding]:
    if searcher is None:
        return []
    name, tool = searcher
    if name not in servers or servers[name][0].passed is not None:
        why = "only those that claude-or starts can be asked" if name in servers else "there is no server of this name"
        fix = "Correct `server` below `web_search:`; `claude-or mcp list` names the servers."
        return [Finding("error", "web search", f"no search by MCP server {name}: {why}", "", fix)]
    tried = next((one for one in done if one.name == name and one.works), None)
    if tried is not None and tool not in tried.tools:
        text = f"MCP server {name} has no tool {tool}"
        fix = "Correct `tool` below `web_search:`."
        return [Finding("error", "web search", text, f"its tools: {', '.join(tried.tools)}", fix)]
    return [Finding("ok", "web search", f"{tool} of MCP server {name}")] if tried else []


def finding_of(done: Probed) -> Finding:
    """What a try found out, in a line."""
    check = f"mcp {done.name}"
    if done.works:
        about = " ".join(part for part in (done.server, done.version) if part)
        runs = f", on {done.interpreter}" if done.interpreter else ""
        return Finding("ok", check, f"{about or 'it'}: {len(done.tools)} tools in {done.seconds:.1f} s{runs}")
    if done.needs_login:
        fix = "`/mcp` in a session logs in, if the server knows such logins; else give its `headers` a token."
        return Finding("note", check, f"is there; {done.reason}", "", fix)
    code = "" if done.exit_code is None else f" (exit code {done.exit_code})"
    is_address = "://" in done.command[0]
    detail = "\n".join([f"{'address' if is_address else 'command'}: {shlex.join(done.command)}", *done.stderr])
    if "no answer within" in done.reason:
        fix = "A first start may have to download: try `claude-or mcp warm`."
    elif is_address:
        fix = "Check the address and its `headers` where the server is named."
    else:
        fix = (
            "Check `command`, `environment` and `inherit` where the server is named: it gets few of your variables. "
            f"`claude-or mcp test {done.name}` tries it again."
        )
    return Finding("error", check, f"failed at {done.step}: {done.reason}{code}", detail, fix)


def _is_remote(server: Resolved) -> bool:
    return server.passed is not None and "url" in server.passed


async def _asked(server: Resolved, environ: Mapping[str, str]) -> Probed:
    from claude_or.mcp.remote import probe_remote

    return await probe_remote(server.name, server.passed or {}, server.secrets, environ)


async def _probed(launch: McpLaunch, server: Resolved) -> Probed:
    done = await probe(launch)
    done.interpreter = server.interpreter or await _interpreter(launch)
    return done


async def _interpreter(launch: McpLaunch) -> str:
    """The absolute interpreter that uv chooses; empty when it is not asked or does not know."""
    question = python_question(launch.commands[-1])
    if not question:
        return ""
    null, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *question, stdin=null, stdout=pipe, stderr=null, env=launch.env, cwd=launch.cwd
        )
    except OSError:
        return ""
    output, _ = await process.communicate()
    return output.decode(errors="replace").strip() if process.returncode == 0 else "a Python that uv will download"


def trust(place: Place, answer: Callable[[str], bool] | None, *, forget: bool = False) -> CommandResult:
    """Show what the project's files would start, and approve it when `answer` says so; None means that nobody can be asked."""
    foreign = [group for group in place.survey().groups if group.source.foreign]
    if not foreign:
        return CommandResult("mcp trust", [], summary="No file of this project names MCP servers.")
    if forget:
        gone = [group.source.shown for group in foreign if revoke(place.environ, group.source.path)]
        return CommandResult(
            "mcp trust", gone, summary=f"No longer approved: {', '.join(gone)}." if gone else "Nothing was approved."
        )
    data: list[dict[str, object]] = []
    said: list[str] = []
    for group in foreign:
        approved = group.trusted
        if group.mistakes:
            raise ClaudeOrError(
                group.mistakes[0],
                hint="Set the variable first: an approval covers what is started.",
                exit_code=EXIT_CONFIG,
            )
        if not approved:
            if answer is None:
                raise ClaudeOrError(
                    f"{group.source.shown} cannot be approved: there is no terminal to ask on",
                    hint="Run `claude-or mcp trust --yes`, or give a session --trust-mcp.",
                    exit_code=EXIT_USAGE,
                    detail=tuple(shown(group)),
                )
            approved = answer("\n".join(shown(group)))
            if approved:
                approve(place.environ, group.source.path, group.mark)
        said.append(f"{group.source.shown}: {'approved until it changes' if approved else 'not approved'}.")
        data.append({
            "file": group.source.path, "approved": approved,
            "servers": [
                {"name": one.name, "command": _masked(shlex.join(one.argv), one), "variables": list(one.used)}
                for one in group.servers
            ],
        })  # fmt: skip
    return CommandResult("mcp trust", data, summary="\n".join(said))


def import_file(path: str, place: Place, *, force: bool, to: str | None) -> CommandResult:
    """Write Claude Code's or Claude Desktop's servers as our YAML. Raises `ClaudeOrError`."""
    import msgspec

    from claude_or.mcp.importing import import_servers

    try:
        with open(path, "rb") as file:
            made = import_servers(msgspec.json.decode(file.read()), place.cwd, os.path.basename(path))
    except (OSError, ValueError) as error:
        raise ClaudeOrError(
            f"{path}: {(isinstance(error, OSError) and error.strerror) or error}",
            hint="Name ~/.claude.json, .mcp.json or claude_desktop_config.json.",
            exit_code=EXIT_USAGE,
        ) from None
    target = to or user_place(place.environ, place.cwd)
    notes = [Finding("note", "mcp", note) for note in made.notes]
    if made.variables:
        notes.append(
            Finding(
                "warn", "mcp", f"set these variables: {', '.join(made.variables)}", "", "Their values were not copied."
            )
        )
    data = {"file": target, "servers": list(made.names), "variables": list(made.variables), "text": made.text}
    if target == "-":
        return CommandResult("mcp import", data, (), tuple(notes), made.text)
    try:
        os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
        with open(os.open(target, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(made.text)
    except FileExistsError:
        raise ClaudeOrError(
            f"{short(target, place.environ)} exists already and was left as it is",
            hint="Overwrite it with --force, write elsewhere with --to FILE, or look with --to -.",
            exit_code=EXIT_FAILURE,
        ) from None
    summary = f"{len(made.names)} servers written to {short(target, place.environ)}."
    return CommandResult("mcp import", data, (), tuple(notes), summary)


def _named(name: str, place: Place) -> tuple[Resolved, Group]:
    found = place.survey()
    effective = found.effective()
    if name not in effective:
        _tell_mistake(name, found)
        raise ClaudeOrError(
            f"no file names an MCP server {name!r}" + nearest_hint(name, effective),
            hint="`claude-or mcp list` shows them all.",
        )
    return effective[name]


def _tell_mistake(name: str, found: Survey) -> None:
    """Raises `ClaudeOrError` where a server is named, but cannot be had here and now."""
    for group in found.groups:
        for mistake in group.mistakes:
            if f": servers.{name}." in mistake:
                raise ClaudeOrError(
                    mistake, hint="Set the variable, or give the entry `enabled: false`.", exit_code=EXIT_CONFIG
                )
    if source := next((source for one, source in found.disabled if one == name), None):
        raise ClaudeOrError(f"{name} is switched off in {source.shown}", hint="Take `enabled: false` out to use it.")


def _startable(server: Resolved, group: Group) -> McpLaunch:
    if not group.trusted:
        raise ClaudeOrError(f"{server.name} is not approved", hint="`claude-or mcp trust` shows it and asks.")
    if server.launch is None:
        reason = server.problem or "claude itself connects to it; `claude-or -- mcp list` asks claude"
        raise ClaudeOrError(f"{server.name} is not started here: {reason}", hint="`claude-or mcp list` shows them all.")
    return server.launch


def _masked(text: str, server: Resolved) -> str:
    for value in server.secrets:
        text = text.replace(value, "***")
    return text
