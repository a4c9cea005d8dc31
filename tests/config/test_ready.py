"""Hosts of the user's own: ready entries, what overrules them, and mistakes told with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_or.config.check import provider_problems
from claude_or.config.key import key_variables
from claude_or.config.load import Loaded, load
from claude_or.config.ready import READY
from claude_or.config.schema import Provider, ProviderModel, from_plain, to_plain
from claude_or.errors import ClaudeOrError
from claude_or.routing.names import hosts_in_use, resolve, roles


def loaded(folder: Path, text: str) -> Loaded:
    """The settings of a user's file."""
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load({"HOME": str(folder), "CLAUDE_OR_CONFIG": str(path)}, str(folder))


def mistakes(folder: Path, text: str) -> list[str]:
    """What is said about a file that must be refused, without its folder."""
    with pytest.raises(ClaudeOrError) as caught:
        loaded(folder, text)
    return [said.replace("~/", "") for said in (caught.value.message, *caught.value.detail)]


@pytest.mark.parametrize("name", READY)
def test_each_ready_entry_is_a_valid_host(name: str) -> None:
    assert provider_problems({name: READY[name]}) == []
    assert Provider(**READY[name]).base_url.startswith(("https://", "http://127.0.0.1"))


def test_naming_a_ready_host_is_enough(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "models:\n  big: ollama:qwen3:8b\n").settings
    assert settings.providers["ollama"].base_url == "http://127.0.0.1:11434/v1"
    found = resolve("big", settings)
    assert (found.host, found.slug) == ("ollama", "qwen3:8b")
    assert from_plain(to_plain(settings)) == settings


def test_what_is_said_overrules_the_ready_entry_key_by_key(tmp_path: Path) -> None:
    text = """
providers:
  groq:
    idle: 20
    models:
      openai/gpt-oss-120b: {context_window: 131072}
  lmstudio:
models: {big: "groq:openai/gpt-oss-120b"}
"""
    settings = loaded(tmp_path, text).settings
    groq = settings.providers["groq"]
    assert (groq.base_url, groq.key_variable, groq.idle) == (READY["groq"]["base_url"], "GROQ_API_KEY", 20)
    assert groq.models == {"openai/gpt-oss-120b": ProviderModel(context_window=131_072)}
    assert settings.providers["lmstudio"].base_url == "http://127.0.0.1:1234/v1"
    assert key_variables(settings) == ("OPENROUTER_API_KEY", "GROQ_API_KEY")


def test_who_works_elsewhere_asks_openrouter_for_nothing(tmp_path: Path) -> None:
    local = loaded(tmp_path, "models: {big: 'ollama:qwen3:8b'}").settings
    assert hosts_in_use(local) == {"ollama"}
    assert {choice.slug for choice in roles(local).values()} == {"qwen3:8b"}
    assert "not on OpenRouter" in roles(local)["small"].reason
    mixed = loaded(tmp_path, "models: {big: 'ollama:qwen3:8b', small: z-ai/glm-5.3}").settings
    assert hosts_in_use(mixed) == {"ollama", "openrouter"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models: {big: 'olama:x'}", "config.yaml:1: models.big: 'olama:x' is no model: there is no host 'olama'"),
        ("providers:\n  grok: {idle: 5}", "config.yaml:2: providers.grok: `base_url` is missing"),
        ("providers:\n  a: {base_url: 'ftp://x'}", "config.yaml:2: providers.a.base_url: expected an address"),
        ("providers:\n  a: {base_url: 'http://x.example', key_variable: K}", "plain http is allowed to this machine"),
        ("providers:\n  openrouter: {}", "config.yaml:2: providers.openrouter: this name is taken"),
        ("providers:\n  ollama: {key_variable: sk-abc}", "the key itself never stands in a file"),
        ("providers:\n  ollama: {headers: {Authorization: x}}", "a key never stands in a file"),
        ("providers:\n  ollama: {bas_url: x}", "did you mean providers.ollama.base_url?"),
        ("providers:\n  ollama: {models: {x: {context_window: 12}}}", "expected at least 256 tokens, got 12"),
        ("providers:\n  ollama: {idle: 0}", "expected a number from 1 to 7200, got 0"),
        ("fallbacks: {big: [nope]}", "config.yaml:1: fallbacks.big: 'nope' is no model"),
        ("fallbacks: {big: z-ai/glm-5.3}", "expected a list such as [one, two]"),
        ("fallbacks: {bigg: []}", "did you mean fallbacks.big?"),
        ("preferences: {only: []}", "an empty list would leave nobody"),
        ("preferences: {quantizations: [fp9]}", "expected one of int4"),
        ("preferences_for:\n  nope: {zdr: true}", "config.yaml:2: preferences_for.nope: 'nope' is no model"),
    ],
)
def test_a_mistake_names_file_key_and_fix(tmp_path: Path, text: str, said: str) -> None:
    assert said in mistakes(tmp_path, text)[0]


def test_a_machine_in_the_own_network_may_be_asked_without_a_key(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "providers: {lab: {base_url: 'http://10.1.2.3:8000/v1/'}}").settings
    assert settings.providers["lab"].base_url == "http://10.1.2.3:8000/v1"


@pytest.mark.parametrize(
    "text",
    [
        "providers: {ollama: {base_url: 'https://evil.example/v1'}}",
        "preferences: {data_collection: allow}",
        "preferences_for: {big: {zdr: false}}",
        "profiles: {cheap: {preferences: {data_collection: allow}}}",
    ],
)
def test_a_project_cannot_send_text_elsewhere_nor_loosen_the_users_care(tmp_path: Path, text: str) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".git").mkdir()
    (tmp_path / "project" / ".claude-or.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ClaudeOrError) as caught:
        load({"HOME": str(tmp_path)}, str(tmp_path / "project"))
    assert "a project's file may not" in caught.value.message


def test_a_project_may_be_stricter(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".git").mkdir()
    (tmp_path / "project" / ".claude-or.yaml").write_text("preferences: {data_collection: deny}", encoding="utf-8")
    settings = load({"HOME": str(tmp_path)}, str(tmp_path / "project")).settings
    assert settings.preferences.data_collection == "deny"
