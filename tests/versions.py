"""The scenario set on several versions of Claude Code: `uv run python -m tests.versions [VERSION ...]`.

Without arguments: the ends of the tested range, which stands in `claude_or/session/versions.py`, and one between. Each is fetched once into
the tests' own cache folder (about 380 MB). Ends with 1 when a scenario failed on any of them. 2.1.110 lies outside: it does not compact at
the window that it is told, and does not recover from a host that finds the prompt too long.
"""

from __future__ import annotations

import os
import subprocess
import sys

from claude_or.session.versions import NEWEST, OLDEST
from tests.support.claude_binary import find_or_install

BETWEEN = "2.1.280"


def main(versions: list[str]) -> int:
    """Run the marked tests once for each version; the exit code."""
    failed: list[str] = []
    for version in versions or dict.fromkeys((OLDEST, BETWEEN, NEWEST)):
        plain = {name: value for name, value in os.environ.items() if name != "CLAUDE_OR_TEST_CLAUDE"}
        path = find_or_install(plain, version)
        print(f"== Claude Code {version}: {path}", flush=True)
        command = [sys.executable, "-m", "pytest", "-n", "0", "-m", "scenario", "tests/e2e"]
        if subprocess.run(command, env=plain | {"CLAUDE_OR_TEST_CLAUDE": path}, check=False).returncode:
            failed.append(version)
    print(f"failed on: {', '.join(failed)}" if failed else "all passed")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
