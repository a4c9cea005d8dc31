"""The demo: a whole session on a scripted model, in a scratch folder, with nothing of the user's touched.

Claude Code keeps its state in `CLAUDE_CONFIG_DIR`; the demo gives it a throwaway one in which the first-run questions are answered
and the scratch folder is trusted, so that a newcomer sees an answer instead of a theme picker.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from claude_or.config.schema import Models, Settings, to_plain
from claude_or.session.environment import merged, pinned, settings_of
from claude_or.session.facts import facts_of
from claude_or.session.plan import LaunchPlan
from claude_or.upstream.scripted import COMMAND, MODEL, TOUR

if TYPE_CHECKING:
    from collections.abc import Mapping

WELCOME = f'claude-or demo: a scripted model, nothing leaves this machine. Ask "{TOUR}" to see tools at work.'
"""Shown by Claude Code under its banner."""
WINDOW = 200_000
OUTPUT = 32_000
ALLOWED = ("Read", "Write", "Edit", f"Bash({COMMAND})")
"""What the scripted model may do without asking: the tour's four calls, and in the scratch folder only."""


class Scratch:
    """The demo's folders. `project` is where it works, `config` where Claude Code keeps its state; `remove` ends both."""

    def __init__(self) -> None:
        self.base = os.path.realpath(tempfile.mkdtemp(prefix="claude-or-demo-"))
        self.project = os.path.join(self.base, "project")
        self.config = os.path.join(self.base, "config")
        os.mkdir(self.project)
        os.mkdir(self.config)
        answered = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "projects": {self.project: {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
        }
        with open(os.path.join(self.config, ".claude.json"), "w", encoding="utf-8") as file:
            json.dump(answered, file)

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.base, ignore_errors=True)

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The user's environment, led to these folders."""
        return {**environ, "CLAUDE_CONFIG_DIR": self.config, "PWD": self.project}


def demo_plan() -> LaunchPlan:
    """The launch of a demo: default settings, one model for all roles, no listing and no key."""
    settings = Settings(models=Models(big=MODEL, small=MODEL))
    facts = facts_of(settings, lambda _slug: (WINDOW, OUTPUT))
    demos = {"permissions": {"allow": list(ALLOWED)}, "companyAnnouncements": [WELCOME]}
    text = json.dumps(merged(settings_of(facts), demos))
    return LaunchPlan({
        "facts": facts,
        "settings_text": text,
        "variables": pinned(facts),
        "without": (),
        "settings": to_plain(settings),
        "warnings": [],
        "listing": True,
        "mcp": None,
        "keys": {},
        "files": [],
    })
