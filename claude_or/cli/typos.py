"""Slips of the finger: the nearest of what exists, and what to do when a command line may not be meant as it stands.

A first word that is no command of ours is a prompt for `claude`, and prompts cost money; an option that is none of ours is
claude's, and its options change with every version. So a likely slip is asked about on a terminal and told on stderr
elsewhere, and the line goes on as it stands; it is refused only where it cannot be meant for `claude`. Light: it lies on the
launch path.
"""

from __future__ import annotations

from claude_or.cli.names import BELOW, COMMANDS
from claude_or.errors import EXIT_USAGE, ClaudeOrError
from claude_or.session.arguments import SWITCHES, VALUED

TYPE_CHECKING = False  # `typing` costs 4 ms on the launch path
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OURS_ALONE = ("--help", "-h", "--json")
"""Behind a misspelt command they leave no doubt: with the first two nothing is asked of a model, and `claude` has no third."""
_WORD_LEAST = 4
"""Letters of a first word below which everything is near to something."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is a slip or two away from `word`, or that it is the beginning of; None when none is.

    A slip is a letter too many, missing, wrong, or changed places with its neighbour; one is forgiven for every three letters
    of the name, three at most.
    """
    bare = word.lstrip("-").lower()
    found: list[tuple[int, str]] = []
    for name in sorted(set(known)):
        target = name.lstrip("-").lower()
        slips = _distance(bare, target)
        if slips <= min(3, max(1, len(target) // 3)):
            found.append((slips, name))
        elif len(bare) >= 3 and target.startswith(bare):
            found.append((4, name))
    return min(found)[1] if found else None


def _distance(one: str, other: str) -> int:
    """Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours."""
    rows = [list(range(len(other) + 1))]
    for at, letter in enumerate(one, 1):
        above, row = rows[-1], [at]
        for to, wanted in enumerate(other, 1):
            cost = min(above[to] + 1, row[to - 1] + 1, above[to - 1] + (letter != wanted))
            if at > 1 and to > 1 and letter == other[to - 2] and one[at - 2] == wanted:
                cost = min(cost, rows[-2][to - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]


def command_meant(theirs: Sequence[str]) -> str | None:
    """The command of ours that the first word was probably meant to be."""
    if not theirs or len(theirs[0]) < _WORD_LEAST or not theirs[0].isalpha():
        return None
    return nearest(theirs[0], COMMANDS)


def refuse_certain(theirs: Sequence[str]) -> None:
    """Raises `ClaudeOrError` when a misspelt command is followed by what only that command takes."""
    meant = command_meant(theirs)
    if meant and len(theirs) > 1 and (theirs[1] in OURS_ALONE or theirs[1] in BELOW.get(meant, ())):
        raise no_such_command(theirs[0], COMMANDS, "claude-or")


def no_such_command(word: str, known: Iterable[str], whose: str) -> ClaudeOrError:
    """The error for an unknown command below `whose`, with the nearest one."""
    meant = nearest(word, known)
    return ClaudeOrError(
        f"No such command {word!r}." + (f" Did you mean {meant!r}?" if meant else ""),
        hint=f"`{whose} --help` lists them."
        if whose != "claude-or"
        else f"`claude-or --help` lists them; to send it to claude as a prompt: `claude-or -- {word} …`.",
        exit_code=EXIT_USAGE,
    )


def remarks(theirs: Sequence[str]) -> list[str]:
    """What to say, in a line each, of arguments that go to `claude` and may have been meant for us."""
    told: list[str] = []
    meant = command_meant(theirs)
    if meant:
        told.append(f"{theirs[0]!r} is no command and goes to claude as a prompt. Did you mean `claude-or {meant}`?")
    ours = (*VALUED, *SWITCHES)
    for at, token in enumerate(theirs):
        if token == "--":
            break
        name = token.partition("=")[0]
        if name in ours:
            told.append(f"{name} stands behind claude's arguments and goes to claude. Ours come first.")
        elif at == 0 and name.startswith("--") and (near := nearest(name, ours)):
            told.append(f"{name} is none of our options and goes to claude. Did you mean {near}?")
    return told
