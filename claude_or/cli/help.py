"""What `claude-or --help` says. Written by hand and 80 columns wide: it must be there at once, and Typer alone takes 0.2 s to load.

A test holds it to the options and commands that exist.
"""

from __future__ import annotations

HELP = """\
Usage: claude-or [OUR OPTIONS] [CLAUDE'S ARGUMENTS]...
       claude-or COMMAND [OPTIONS]

Start Claude Code on any OpenRouter model. claude-or takes the place of claude:
what follows our own options goes to it untouched. The proxy between them lives
exactly as long as the session.

Our options (they stand first; `--` ends them)
  --big MODEL           model for the main conversation, opus, sonnet, subagents
  --small MODEL         model for haiku: summaries, titles, web pages
  --profile NAME        a set of models from the configuration
  --config FILE         read this instead of your config.yaml
  --budget DOLLARS      most that this session may spend
  --mcp FILE            MCP servers from this file, too; may stand twice
  --trust-mcp           start the project's own MCP servers without asking
  --log-level LEVEL     debug, info, warning or error
  --log-content         prompts and answers go to the log, too
  --dry-run             show what claude would be started with, and stop
  --quiet               no summary line at the end
  --summary-json FILE   write the session's figures to this file
  --install-claude      install Claude Code when it is missing
  -h, --help            this text
  -V, --version         our version and claude's

Commands
  login                 get a key by way of the browser, and keep it
  logout                forget the key that login keeps
  init                  write a commented configuration
  config                show, check, edit: values in force and who said so
  logs                  the log of a session, also as it grows
  models                which model has which role, its window and its price;
                        `models search TEXT`, `models show MODEL` find others
  doctor                check everything a session needs, and say how to mend it
  mcp                   MCP servers: list, status, logs, restart, test, ...
  usage                 what was paid: by model, project, session, role, day
  budget                the caps of running sessions; `budget raise 5` lifts one
  statusline            the line below claude's prompt, which claude runs
  explain REQUEST.json  what a saved request becomes upstream, and what is lost
  serve                 the proxy alone, until it is ended
  demo                  try it without a key, on a scripted model
  completion SHELL      a completion script for bash, zsh or fish
  install-claude        download Claude Code into claude-or's own folder

Examples
  claude-or                               a session on the default models
  claude-or --big z-ai/glm-5.3            ... on a model of your choice
  claude-or -p "Explain this repository"  one answer, for a script
  claude-or --resume                      go on where you stopped
  claude-or --quiet -p hi | tee out.txt   only the answer on stdout
  claude-or -- mcp list                   one of claude's own commands
  claude-or demo -p "Say hello"           no key, no network

Everything else is Claude Code's: `claude --help` lists it. Your key comes from
`login`, OPENROUTER_API_KEY or a command of yours, and is never handed on.
`claude-or COMMAND --help` tells more.
"""


def fitted(text: str, columns: int) -> str:
    """The help for a terminal that is narrower than it was written for: words move to the next line, below their own column."""
    if not 0 < columns < 80:
        return text
    lines: list[str] = []
    for line in _paragraphs(text):
        at = _column_of(line)
        first, words = line[:at], line[at:].split(" ")
        if at + max(map(len, words)) > columns:
            # No room beside the name: what it does stands below it.
            lines.append(first.rstrip())
            first = "      "
        at = len(first)
        for word in words:
            if len(first.rstrip()) > at and len(first) + len(word) > columns:
                lines.append(first.rstrip())
                first = " " * at
            first += word + " "
        lines.append(first.rstrip())
    return "\n".join(lines)


def _paragraphs(text: str) -> list[str]:
    """The lines, those of one paragraph joined: it stands at the margin, and its lines are full but for the last."""
    found: list[str] = []
    goes_on = False
    for line in text.split("\n"):
        if goes_on and line and line[0] != " ":
            found[-1] += f" {line}"
        else:
            found.append(line)
        goes_on = len(line) > 70 and line[0] != " "
    return found


def _column_of(line: str) -> int:
    """Where what a name does begins: behind the last wide gap, or at the line's first letter."""
    indent = len(line) - len(line.lstrip())
    gap = line.rfind("  ")
    return gap + 2 if gap >= indent > 0 else indent
