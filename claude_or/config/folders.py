"""Where claude-or keeps its files, by the rules that platformdirs follows on Linux and macOS.

Spelled out here because importing platformdirs costs more than everything else before `claude` is started, and because the
environment is an argument in this layer. A test holds these functions to platformdirs itself.
Sources: XDG Base Directory Specification 0.8; Apple's File System Programming Guide.
"""

from __future__ import annotations

import os.path
import sys
from collections.abc import Mapping

APP = "claude-or"


def config_folder(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Folder of `config.yaml`."""
    return _folder(environ, "XDG_CONFIG_HOME", "Library/Application Support" if platform == "darwin" else ".config")


def cache_folder(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Folder of what can be fetched or computed again: the models' listing, the launch cache."""
    return _folder(environ, "XDG_CACHE_HOME", "Library/Caches" if platform == "darwin" else ".cache")


def state_folder(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Folder of what should outlive a session but is no configuration: logs, run folders."""
    return _folder(environ, "XDG_STATE_HOME", "Library/Application Support" if platform == "darwin" else ".local/state")


def data_folder(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Folder of what is kept for good: the ledger, and Claude Code, when claude-or fetched it."""
    return _folder(environ, "XDG_DATA_HOME", "Library/Application Support" if platform == "darwin" else ".local/share")


def home_folder(environ: Mapping[str, str]) -> str:
    """The user's home; from the password database when HOME is not set."""
    return environ.get("HOME") or os.path.expanduser("~")


def _folder(environ: Mapping[str, str], variable: str, below_home: str) -> str:
    named = environ.get(variable, "").strip()
    # The specification: a relative path is invalid and must be ignored.
    base = named if os.path.isabs(named) else os.path.join(home_folder(environ), below_home)
    return os.path.join(base, APP)


def short(path: str, environ: Mapping[str, str]) -> str:
    """The path as a person writes it: `~` for the home folder."""
    home = home_folder(environ)
    return "~" + path[len(home) :] if home not in ("", "/") and path.startswith(home + "/") else path
