"""The key from a command, the environment, the keyring or a file, in this order; and never from a project."""

from __future__ import annotations

import stat
from pathlib import Path

import keyring
import pytest
from keyring.backends import fail

from claude_or.config.schema import OpenRouter, Settings
from claude_or.errors import ClaudeOrError
from claude_or.session.keys import forget_key, is_stored, key_of, note_path, store_key
from tests.fakes.keyring_file import FileKeyring

SECRET = "sk-or-v1-" + "0123456789abcdef" * 4
OTHER = "sk-or-v1-" + "f" * 64


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A home of its own, and a keyring in a file."""
    monkeypatch.setenv("FAKE_KEYRING", str(tmp_path / "ring"))
    keyring.set_keyring(FileKeyring())
    return {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}


@pytest.fixture(autouse=True)
def restored():
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def settings(command: str | None = None) -> Settings:
    return Settings(openrouter=OpenRouter(key_command=command))


def test_the_keyring_keeps_it_and_the_note_does_not(environ: dict[str, str]):
    assert not is_stored(environ)
    assert store_key(environ, SECRET) == "the system's keyring"
    assert is_stored(environ)
    note = Path(note_path(environ))
    assert SECRET not in note.read_text()
    assert stat.S_IMODE(note.stat().st_mode) == 0o600
    found = key_of(environ, settings())
    assert (found.value, found.source) == (SECRET, "the system's keyring")
    assert forget_key(environ) == "the system's keyring"
    assert not is_stored(environ)
    assert forget_key(environ) == ""
    with pytest.raises(ClaudeOrError):
        key_of(environ, settings())


def test_without_a_keyring_a_file_keeps_it_and_that_is_said(environ: dict[str, str]):
    keyring.set_keyring(fail.Keyring())
    place = store_key(environ, SECRET)
    assert "readable by you alone" in place
    assert "no keyring" in place
    assert stat.S_IMODE(Path(note_path(environ)).stat().st_mode) == 0o600
    assert key_of(environ, settings()).value == SECRET
    forget_key(environ)
    assert not Path(note_path(environ)).exists()


def test_a_file_is_also_to_be_had_on_request(environ: dict[str, str]):
    store_key(environ, SECRET, in_file=True)
    assert keyring.get_password("claude-or", "openrouter") is None
    assert key_of(environ, settings()).value == SECRET


def test_a_command_goes_before_the_environment_and_that_before_what_is_stored(environ: dict[str, str]):
    store_key(environ, SECRET)
    environ["OPENROUTER_API_KEY"] = OTHER
    assert key_of(environ, settings()).value == OTHER
    command = "sk-or-v1-" + "c" * 64
    found = key_of(environ, settings(f"printf '{command}\\nsecond line\\n'"))
    assert (found.value, found.source) == (command, "key_command")


@pytest.mark.parametrize(
    ("command", "why"), [("exit 3", "code 3"), ("true", "printed nothing"), ("printf 'two words'", "cannot be")]
)
def test_a_command_that_gives_no_key_is_told_and_nothing_else_is_tried(environ: dict[str, str], command: str, why: str):
    environ["OPENROUTER_API_KEY"] = OTHER
    with pytest.raises(ClaudeOrError) as caught:
        key_of(environ, settings(command))
    assert why in caught.value.message
    assert caught.value.exit_code == 77


def test_a_key_that_left_the_keyring_is_told_with_the_way_back(environ: dict[str, str]):
    store_key(environ, SECRET)
    keyring.delete_password("claude-or", "openrouter")
    with pytest.raises(ClaudeOrError) as caught:
        key_of(environ, settings())
    assert "claude-or login" in caught.value.hint


@pytest.mark.parametrize("content", ["", "[", '{"kept": "file"}', "\x00"])
def test_a_note_that_cannot_be_read_is_told(environ: dict[str, str], content: str):
    path = Path(note_path(environ))
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(ClaudeOrError) as caught:
        key_of(environ, settings())
    assert caught.value.hint


@pytest.mark.parametrize("line", ["OPENROUTER_API_KEY=sk-or-v1-x", "export OPENROUTER_API_KEY='sk-or-v1-x'"])
def test_a_key_in_a_projects_dotenv_is_said_not_to_be_read(environ: dict[str, str], tmp_path: Path, line: str):
    (tmp_path / ".env").write_text(f"A=1\n{line}\n")
    with pytest.raises(ClaudeOrError) as caught:
        key_of(environ, settings(), str(tmp_path))
    assert ".env is not read" in caught.value.message
    assert "sk-or" not in caught.value.message
