"""Writing a first configuration, seeing what is in force, and the schema that editors read."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from claude_or.cli.render import show as render
from claude_or.cli.settings import check_config, edit_config, init, leaves, show_config, show_paths, user_text
from claude_or.config.json_schema import schema_text
from claude_or.config.load import Overrides, load
from claude_or.config.schema import Settings
from claude_or.errors import ClaudeOrError

NO = Overrides()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}


def test_init_writes_a_file_that_changes_nothing_and_is_right_when_uncommented(environ: dict[str, str], tmp_path: Path):
    init(environ, str(tmp_path), project=False, force=False)
    path = tmp_path / ".config/claude-or/config.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load(environ, str(tmp_path)).settings == Settings()
    lines = path.read_text().split("\n")
    bare = [
        line.replace("# ", "", 1)
        if line.lstrip().startswith("# ")
        and ":" in line
        and not line.startswith("# claude")
        and not line.startswith("# yaml")
        and not line.startswith("# `")
        else line
        for line in lines
    ]
    path.write_text("\n".join(bare))
    loaded = load(environ, str(tmp_path))
    assert loaded.settings.models.big == "z-ai/glm-5.3"
    assert loaded.settings.budget.session == 5
    assert loaded.settings.openrouter.key_command == "pass show openrouter"


def test_init_never_replaces_unasked(environ: dict[str, str], tmp_path: Path):
    for project, name in ((False, ".config/claude-or/config.yaml"), (True, ".claude-or.yaml")):
        init(environ, str(tmp_path), project=project, force=False)
        (tmp_path / name).write_text("log_level: debug\n")
        with pytest.raises(ClaudeOrError) as caught:
            init(environ, str(tmp_path), project=project, force=False)
        assert "left as it is" in caught.value.message
        assert (tmp_path / name).read_text() == "log_level: debug\n"
        init(environ, str(tmp_path), project=project, force=True)
        assert "models" in (tmp_path / name).read_text()


def test_chosen_models_stand_in_the_text_quoted_where_yaml_wants_it():
    import yaml

    found = yaml.safe_load(user_text("~anthropic/claude-sonnet-latest", "z-ai/glm"))
    assert found == {"models": {"big": "~anthropic/claude-sonnet-latest", "small": "z-ai/glm"}}


def test_show_tells_values_with_their_origin(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    init(environ, str(tmp_path), project=True, force=False)
    (tmp_path / ".claude-or.yaml").write_text("models:\n  big: a/b\naliases: {x: c/d}\n")
    result = show_config({**environ, "LOG_LEVEL": "debug"}, str(tmp_path), NO, everything=False)
    render(result, as_json=False)
    text = capsys.readouterr().out
    rows = {line.split()[0]: line for line in text.splitlines() if "." in line.split(" ")[0] or "log_level" in line}
    assert "a/b" in rows["models.big"]
    assert ".claude-or.yaml:2" in rows["models.big"]
    assert "LOG_LEVEL" in rows["log_level"]
    assert "openrouter.base_url" not in rows
    assert result.data["openrouter.base_url"]["origin"] == "default"
    assert "openrouter.base_url" in str(show_config(environ, str(tmp_path), NO, everything=True).tables)


def test_a_profile_is_shown_as_written_and_as_it_is_in_force(environ: dict[str, str], tmp_path: Path):
    path = tmp_path / ".config/claude-or/config.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("profiles: {cheap: {big: a/b, fallbacks: {big: [c/d]}, preferences: {zdr: true}}}\n")

    def shown(profile: str | None) -> dict[str, str]:
        result = show_config(environ, str(tmp_path), Overrides(profile=profile), everything=False)
        return {row[0]: row[1] for row in result.tables[0].rows}

    written = {
        "profiles.cheap.big": "a/b",
        "profiles.cheap.fallbacks.big": "['c/d']",
        "profiles.cheap.preferences.zdr": "true",
    }
    assert shown(None) == written
    in_force = {"models.big": "a/b", "fallbacks.big": "['c/d']", "preferences.zdr": "true"}
    assert shown("cheap") == {**written, **in_force}


def test_what_is_written_where_no_key_belongs_is_not_shown(environ: dict[str, str], tmp_path: Path):
    folder = tmp_path / ".config/claude-or"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(
        "openrouter: {key_command: 'echo sk-or-v1-0123456789abcdef'}\n"
        "providers:\n  lab: {base_url: 'https://lab.example/v1', headers: {X-Lab: canary-7f3a}}\n"
    )
    result = show_config(environ, str(tmp_path), NO, everything=True)
    assert "canary-7f3a" not in str(result)
    assert "0123456789abcdef" not in str(result)
    assert result.data["providers.lab.headers"]["value"] == {"X-Lab": "…"}
    assert result.data["openrouter.key_command"]["value"] == "echo [masked]"


def test_every_setting_is_shown_by_its_dotted_key():
    keys = [key for key, _ in leaves(Settings(aliases={"x": "a/b"}))]
    assert len(keys) == len(set(keys))
    assert {"models.big", "budget.session", "aliases.x", "log_level", "client.status_line"} <= set(keys)


def test_check_says_what_was_read_or_every_mistake(environ: dict[str, str], tmp_path: Path):
    assert "no file" in check_config(environ, str(tmp_path), NO).findings[0].text
    (tmp_path / ".claude-or.yaml").write_text("modles: {}\nlog_level: loud\n")
    with pytest.raises(ClaudeOrError) as caught:
        check_config(environ, str(tmp_path), NO)
    assert (caught.value.exit_code, len(caught.value.detail)) == (78, 1)


def test_paths_name_every_place(environ: dict[str, str], tmp_path: Path):
    places = show_paths(environ, str(tmp_path), NO).data
    assert all(path.startswith(str(tmp_path)) for path in places.values())
    assert {"config", "ledger", "logs"} <= places.keys()


def test_edit_writes_the_file_first_opens_it_and_checks_it_afterwards(environ: dict[str, str], tmp_path: Path):
    editor = tmp_path / "my editor"
    editor.write_text('#!/bin/sh\necho "log_level: debug" >> "$1"\n')
    editor.chmod(0o700)
    environ["EDITOR"] = f"'{editor}'"
    assert "no mistakes" in edit_config(environ, str(tmp_path), NO).findings[0].text
    assert load(environ, str(tmp_path)).settings.log_level == "debug"
    editor.write_text('#!/bin/sh\necho "log_level: loud" > "$1"\n')
    with pytest.raises(ClaudeOrError):
        edit_config(environ, str(tmp_path), NO)


@pytest.mark.parametrize("editor", ["/no/such/editor", "'", "false"])
def test_an_editor_that_does_not_work_is_told(environ: dict[str, str], tmp_path: Path, editor: str):
    with pytest.raises(ClaudeOrError) as caught:
        edit_config({**environ, "EDITOR": editor}, str(tmp_path), NO)
    assert caught.value.hint


def test_the_schema_in_the_docs_is_the_one_of_the_code():
    path = Path(__file__).parents[2] / "docs/schema/config.schema.json"
    assert path.read_text(encoding="utf-8") == schema_text(), (
        "run: claude-or config schema > docs/schema/config.schema.json"
    )


def test_the_schema_knows_types_ranges_and_unknown_keys():
    found: dict[str, Any] = json.loads(schema_text())
    assert found["additionalProperties"] is False
    limits = found["$defs"]["Limits"]["properties"]
    assert (limits["attempts"]["minimum"], limits["attempts"]["maximum"]) == (1, 20)
    assert found["properties"]["log_level"]["enum"] == ["debug", "info", "warning", "error"]
