"""`claude-or completion SHELL`: a script that completes our commands and options in bash, zsh or fish.

Written out in full when it is asked for, so that a press of TAB starts no Python. It is made from the application itself, and so
cannot name what does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from claude_or.errors import EXIT_USAGE, ClaudeOrError
from claude_or.session.arguments import SWITCHES, VALUED

if TYPE_CHECKING:
    import click

SHELLS: Final = ("bash", "zsh", "fish")
FILES: Final = ("--config", "--summary-json", "--mcp")
"""Options whose value is a file."""


@dataclass(frozen=True, slots=True)
class Word:
    """Something that can be typed, and what it is."""

    name: str
    help: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command with what can follow it."""

    name: str
    help: str
    options: tuple[Word, ...]
    commands: tuple[Word, ...] = ()


def script(shell: str, root: click.Group) -> str:
    """The script. Raises `ClaudeOrError` for a shell that is not known."""
    commands = tuple(_commands(root))
    match shell:
        case "bash":
            return _bash(commands)
        case "zsh":
            return _zsh(commands)
        case "fish":
            return _fish(commands)
        case _:
            raise ClaudeOrError(f"no completion for {shell}", hint=f"One of {', '.join(SHELLS)}.", exit_code=EXIT_USAGE)


def _commands(root: click.Group) -> list[Command]:
    found: list[Command] = []
    for name, command in sorted(root.commands.items()):
        inner = getattr(command, "commands", {})
        below = tuple(Word(sub, _first(part)) for sub, part in sorted(inner.items()))
        found.append(Command(name, _first(command), _options(command), below))
    return found


def _options(command: click.Command) -> tuple[Word, ...]:
    found = [
        Word(name, str(getattr(option, "help", "") or ""))
        for option in command.params
        if option.param_type_name == "option"
        for name in option.opts
        if name.startswith("--")
    ]
    return (*found, Word("--help", "Show help."))


def _first(command: click.Command) -> str:
    return (command.help or "").strip().partition("\n")[0].partition(". ")[0].rstrip(".")


def _bash(commands: tuple[Command, ...]) -> str:
    cases = "\n".join(
        f"    {command.name}) words={_single(' '.join(word.name for word in (*command.commands, *command.options)))} ;;"
        for command in commands
    )
    names = " ".join(command.name for command in commands)
    ours = " ".join((*VALUED, *SWITCHES, "--help", "--version"))
    return f"""\
# claude-or, completion for bash: source <(claude-or completion bash)
_claude_or() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= words= i
  case $previous in
    {"|".join(FILES)}) COMPREPLY=( $(compgen -f -- "$current") ); return ;;
  esac
  for (( i = 1; i < COMP_CWORD; i++ )); do
    case ${{COMP_WORDS[i]}} in
      -*) ;;
      *) command=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  case $command in
{cases}
    '') words={_single(f"{names} {ours}")} ;;
  esac
  COMPREPLY=( $(compgen -W "$words" -- "$current") )
}}
complete -o default -F _claude_or claude-or
"""


def _zsh(commands: tuple[Command, ...]) -> str:
    def described(words: tuple[Word, ...]) -> str:
        return " ".join(_single(f"{word.name}:{_colonless(word.help)}") for word in words)

    names = described(tuple(Word(command.name, command.help) for command in commands))
    ours = described(tuple(Word(name, "option of a session") for name in (*VALUED, *SWITCHES, "--help", "--version")))
    cases = "\n".join(
        f"    {command.name}) found=( {described((*command.commands, *command.options))} ) ;;" for command in commands
    )
    return f"""\
#compdef claude-or
# claude-or, completion for zsh: source <(claude-or completion zsh), after compinit
_claude_or() {{
  local -a found
  local command= i
  if [[ ${{words[CURRENT-1]}} == ({"|".join(FILES)}) ]]; then
    _files
    return
  fi
  for (( i = 2; i < CURRENT; i++ )); do
    if [[ ${{words[i]}} != -* ]]; then
      command=${{words[i]}}
      break
    fi
  done
  case $command in
{cases}
    '') found=( {names} {ours} ) ;;
  esac
  _describe 'claude-or' found
}}
compdef _claude_or claude-or
"""


def _fish(commands: tuple[Command, ...]) -> str:
    lines = ["# claude-or, completion for fish: claude-or completion fish | source"]
    names = " ".join(command.name for command in commands)
    none = f"not __fish_seen_subcommand_from {names}"
    for command in commands:
        lines.append(f"complete -c claude-or -n {_single(none)} -a {command.name} -d {_single(command.help)}")
        seen = _single(f"__fish_seen_subcommand_from {command.name}")
        lines += [f"complete -c claude-or -n {seen} -a {w.name} -d {_single(w.help)}" for w in command.commands]
        lines += [f"complete -c claude-or -n {seen} -l {w.name[2:]} -d {_single(w.help)}" for w in command.options]
    for name in (*VALUED, *SWITCHES):
        more = " -r" if name in FILES else " -x" if name in VALUED else ""
        lines.append(f"complete -c claude-or -n {_single(none)} -l {name[2:]}{more}")
    return "\n".join(lines) + "\n"


def _single(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _colonless(text: str) -> str:
    return text.replace(":", " -").replace("[", "(").replace("]", ")")
