"""The error a user meets, and the exit codes that scripts may rely on.

A class is earned by somebody who catches it: `ClaudeOrError` is caught once, at the command line's boundary, and shown as
one line that says what happened and one line that says what to do. Everything else is a bug and is reported as one.
Imports nothing: this module lies on the launch path.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_FAILURE = 1
"""A check of ours found a problem (`doctor`, `models`); also what `claude` itself uses for its own failures."""
EXIT_USAGE = 64
"""The command line could not be understood."""
EXIT_UPSTREAM = 69
"""The model host could not be reached or refused."""
EXIT_INTERNAL = 70
"""A bug in claude-or; the log file holds the details."""
EXIT_PROXY = 71
"""The local proxy could not be started or could not go on."""
EXIT_BUDGET = 76
"""A spending cap ended the session."""
EXIT_KEY = 77
"""No usable API key."""
EXIT_CONFIG = 78
"""A configuration file is wrong."""
EXIT_CLAUDE_MISSING = 127
"""Claude Code was not found."""


class ClaudeOrError(Exception):
    """Something the user can act on.

    `message` says what happened in one line, `hint` what to do next in one line, and `exit_code` is the code the
    process leaves with. `detail` holds further lines of the same kind as the message (the second and third mistake of a
    file).
    """

    def __init__(self, message: str, *, hint: str, exit_code: int = EXIT_FAILURE, detail: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.detail = detail
