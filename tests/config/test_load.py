"""Layers, origins and errors of the configuration, driven through `load`."""

from __future__ import annotations

import marshal
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.config.load import Loaded, Overrides, load, project_places
from claude_or.config.schema import MaxPrice, Preferences, Settings, from_plain, to_plain
from claude_or.errors import EXIT_CONFIG, EXIT_USAGE, ClaudeOrError


class World:
    """A home with a user's file and a project below it."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.user_file = self.home / ".config/claude-or/config.yaml"
        self.project = self.home / "code/project"
        self.cwd = self.project / "src/deep"
        self.cwd.mkdir(parents=True)
        (self.project / ".git").mkdir()
        self.environ = {"HOME": str(self.home)}

    def write_user(self, text: str) -> None:
        """Write the user's own file."""
        self.user_file.parent.mkdir(parents=True, exist_ok=True)
        self.user_file.write_text(text, encoding="utf-8")

    def write_project(self, text: str) -> None:
        """Write the project's file."""
        (self.project / ".claude-or.yaml").write_text(text, encoding="utf-8")

    def load(self, env: Mapping[str, str] | None = None, **flags: str) -> Loaded:
        """Load from the deepest folder of the project."""
        return load({**self.environ, **(env or {})}, str(self.cwd), Overrides(**flags))

    def mistakes(self, env: Mapping[str, str] | None = None, **flags: str) -> tuple[str, ...]:
        """All complaints of a load that must fail."""
        with pytest.raises(ClaudeOrError) as caught:
            self.load(env, **flags)
        assert caught.value.hint
        return (caught.value.message, *caught.value.detail)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_without_any_source_everything_is_default(world: World) -> None:
    loaded = world.load()
    assert loaded.settings == Settings()
    assert loaded.origins == {}
    assert str(loaded.origin("models.big")) == "default"


def test_each_layer_beats_the_one_before_and_origins_name_the_winner(world: World) -> None:
    world.write_user("log_level: debug\n")
    seen = [(world.load().settings.log_level, str(world.load().origin("log_level")))]
    world.write_project("# ours\nlog_level: warning\n")
    seen.append((world.load().settings.log_level, str(world.load().origin("log_level"))))
    by_env = world.load({"LOG_LEVEL": "ERROR"})
    seen.append((by_env.settings.log_level, str(by_env.origin("log_level"))))
    by_flag = world.load({"LOG_LEVEL": "ERROR"}, log_level="info")
    seen.append((by_flag.settings.log_level, str(by_flag.origin("log_level"))))
    assert seen == [
        ("debug", "~/.config/claude-or/config.yaml:1"),
        ("warning", "~/code/project/.claude-or.yaml:2"),
        ("error", "LOG_LEVEL"),
        ("info", "--log-level"),
    ]


def test_files_merge_key_by_key(world: World) -> None:
    world.write_user("models:\n  big: a/big\n  small: a/small\naliases:\n  one: a/one\n  two: a/two\n")
    world.write_project("models:\n  small: b/small\naliases:\n  two: b/two\n")
    loaded = world.load()
    assert (loaded.settings.models.big, loaded.settings.models.small) == ("a/big", "b/small")
    assert loaded.settings.aliases == {"one": "a/one", "two": "b/two"}
    assert str(loaded.origin("aliases.two")) == "~/code/project/.claude-or.yaml:4"


def test_a_later_big_speaks_for_every_role_that_follows_it(world: World) -> None:
    world.write_user("models:\n  opus: a/opus\n  haiku: a/haiku\n  subagent: a/sub\n")
    models = world.load(big="b/big").settings.models
    assert (models.big, models.opus, models.subagent, models.haiku) == ("b/big", None, None, "a/haiku")
    assert "models.opus" not in world.load(big="b/big").origins


def test_within_one_file_the_special_role_beats_big(world: World) -> None:
    world.write_user("models:\n  opus: a/opus\n  big: a/big\n")
    models = world.load().settings.models
    assert (models.big, models.opus) == ("a/big", "a/opus")


def test_a_profile_sets_its_models_together_above_the_environment(world: World) -> None:
    world.write_user("models:\n  opus: a/opus\nprofiles:\n  cheap:\n    big: c/big\n    small: c/small\n")
    loaded = world.load({"BIG_MODEL": "e/big"}, profile="cheap", small="f/small")
    models = loaded.settings.models
    assert (models.big, models.small, models.opus) == ("c/big", "f/small", None)
    assert str(loaded.origin("models.big")) == "profile cheap, ~/.config/claude-or/config.yaml:5"
    assert str(loaded.origin("models.small")) == "--small"


PRIVATE = """\
fallbacks: {big: [dear/one], opus: [dear/two], small: [dear/three]}
preferences: {ignore: [a], zdr: false}
profiles:
  private:
    big: ollama:coder
    fallbacks:
      big: [groq:next]
    preferences: {zdr: true, max_price: {prompt: 1}}
"""


def test_a_profile_brings_its_own_fallbacks_and_preferences(world: World) -> None:
    world.write_user(PRIVATE)
    plain = world.load().settings
    assert (plain.fallbacks.big, plain.preferences.zdr, "groq" in plain.providers) == (["dear/one"], False, True)
    loaded = world.load(profile="private")
    settings = loaded.settings
    # Whoever says big speaks for opus as well; small was not spoken of.
    assert (settings.fallbacks.big, settings.fallbacks.opus, settings.fallbacks.small) == (
        ["groq:next"], None, ["dear/three"],
    )  # fmt: skip
    assert settings.preferences == Preferences(ignore=["a"], zdr=True, max_price=MaxPrice(prompt=1))
    assert str(loaded.origin("preferences.zdr")) == "profile private, ~/.config/claude-or/config.yaml:8"
    assert str(loaded.origin("fallbacks.big")) == "profile private, ~/.config/claude-or/config.yaml:7"
    assert from_plain(to_plain(settings)) == settings


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("fallbacks: {bigg: [a/b]}", "profiles.p.fallbacks.bigg: unknown key; did you mean profiles.p.fallbacks.big?"),
        ("preferences: {zdr: 1}", "profiles.p.preferences.zdr: expected true or false, got the number 1"),
        (
            "preferences: {only: []}",
            "profiles.p.preferences.only: an empty list would leave nobody; leave the line out",
        ),
        ("fallback: [a/b]", "profiles.p.fallback: unknown key; did you mean profiles.p.fallbacks?"),
        ("fallbacks: {big: ['nope:x']}", "profiles.p.fallbacks.big: 'nope:x' is no model: there is no host 'nope'"),
    ],
)
def test_mistakes_in_a_profile_are_told_as_elsewhere(world: World, text: str, mistake: str) -> None:
    world.write_user(f"profiles: {{p: {{big: a/b, {text}}}}}\n")
    assert mistake in world.mistakes()[0]


def test_an_unknown_profile_is_told_with_the_nearest(world: World) -> None:
    world.write_user("profiles:\n  cheap:\n    big: c/big\n")
    assert world.mistakes(profile="cheep") == ("--profile: there is no profile 'cheep'; did you mean cheap?",)


def test_keys_without_values_say_nothing(world: World) -> None:
    world.write_user("models:\n  big:\naliases:\nlimits:\n")
    assert world.load().settings == Settings()


def test_words_like_off_stay_words(world: World) -> None:
    world.write_user("client:\n  auto_mode: off\n  tool_search: false\n")
    assert world.load().settings.client.auto_mode == "off"
    assert world.load().settings.client.tool_search is False


USER = "~/.config/claude-or/config.yaml"
FORM = "a model is written author/name, as in z-ai/glm-5.3"
PLAIN_HTTP = "plain http is allowed to this machine only, because it would show the key to the network; use https://"


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("models:\n  bgi: a/b\n", [f"{USER}:2: models.bgi: unknown key; did you mean models.big?"]),
        ("modles:\n  big: a/b\n", [f"{USER}:1: modles: unknown key; did you mean models?"]),
        ("models:\n  big: 5\n", [f"{USER}:2: models.big: expected text, got the number 5"]),
        ("models: [a]\n", [f"{USER}:1: models: expected `key: value` lines below it, got a list"]),
        ("limits:\n  attempts: 1.5\n", [f"{USER}:2: limits.attempts: expected a whole number, got the number 1.5"]),
        ("limits:\n  attempts: 0\n", [f"{USER}:2: limits.attempts: expected a number from 1 to 20, got 0"]),
        ("limits:\n  idle: .nan\n", [f"{USER}:2: limits.idle: expected a number from 1 to 7200, got nan"]),
        (
            "client:\n  auto_mode: of\n",
            [f"{USER}:2: client.auto_mode: expected off or local, got the text 'of'; did you mean off?"],
        ),
        (
            "client:\n  tool_search: yes\n",
            [f"{USER}:2: client.tool_search: expected true or false, got the text 'yes'"],
        ),
        ("aliases:\n  opus: a/b\n", [f"{USER}:2: aliases.opus: this name is taken by a role; set it below `models:`"]),
        ("models:\n\tbig: a/b\n", [f"{USER}:2:1: a tab cannot indent a line; use spaces"]),
        (
            "models: {big: a/b\n",
            [f"{USER}:2:1: this is not valid YAML: while parsing a flow mapping did not find expected ',' or '}}'"],
        ),
        ("log_level: info\nlog_level: debug\n", [f"{USER}:2:1: log_level: the key is given twice"]),
        ("7: x\n", [f"{USER}:1:1: a key must be text; put it in quotes"]),
        ("- a\n- b\n", [f"{USER}:1: expected `key: value` lines"]),
        (
            "log_level: loud\nmodels:\n  big: a/b\n  smal: c/d\n",
            [
                f"{USER}:1: log_level: expected debug, info, warning or error, got the text 'loud'",
                f"{USER}:4: models.smal: unknown key; did you mean models.small?",
            ],
        ),
        (
            "models:\n  big: glm\naliases:\n  glmm: z-ai/glm-5.3\n",
            [f"{USER}:2: models.big: 'glm' is no model: {FORM}; did you mean glmm?"],
        ),
        (
            "aliases:\n  a: b\n  b: a\n",
            [
                f"{USER}:2: aliases.a: 'b' is no model: the aliases run in a circle: b → a → b",
                f"{USER}:3: aliases.b: 'a' is no model: the aliases run in a circle: a → b → a",
            ],
        ),
        (
            "openrouter:\n  base_url: http://example.com/v1\n",
            [f"{USER}:2: openrouter.base_url: {PLAIN_HTTP}"],
        ),
        (
            "openrouter:\n  api_key: sk-or-v1-secretsecretsecretsecret\n",
            [f"{USER}:2: openrouter.api_key: unknown key; known here: base_url, attribution, key_command"],
        ),
        ("log_level: sk-or-v1-secret\n", None),
        ("limits: {attempts: [1]}\n", [f"{USER}:1: limits.attempts: expected a whole number, got a list"]),
        ("aliases: {a: {b: c}}\n", [f"{USER}:1: aliases.a: expected text, got `key: value` lines"]),
        ("aliases: {a: null}\n", [f"{USER}:1: aliases.a: expected text, got nothing"]),
        ("models: {big: true}\n", [f"{USER}:1: models.big: expected text, got true"]),
    ],
)
def test_a_mistake_names_file_line_key_and_what_was_expected(
    world: World, text: str, complaints: list[str] | None
) -> None:
    world.write_user(text)
    mistakes = world.mistakes()
    assert "secret" not in " ".join(mistakes)
    if complaints is not None:
        assert sorted(mistakes) == sorted(complaints)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]\n",
        "a: &a {b: *a}\n",
        "a: " + "[" * 100_000 + "]" * 100_000,
        "- " * 60_000 + "x",
        "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9) if n else 'x'}]\n" for n in range(12)),
        "a: !!python/object/apply:os.system [true]\n",
        "log_level: !!bool maybe\n",
        "log_level: !!timestamp never\n",
        "limits: {attempts: " + "9" * 5000 + "}\n",
        "<<: 5\n",
        "a: \x00\n",
        "a: *nowhere\n",
        "a: 1\n---\nb: 2\n",
        "? [a, b]\n: x\n",
        "x" * 300_000,
    ],
    ids=[
        "list-of-itself",
        "map-of-itself",
        "deep",
        "deep-block",
        "laughs",
        "code",
        "bool",
        "time",
        "digits",
        "merge",
        "nul",
        "no-anchor",
        "two",
        "key",
        "big",
    ],
)
def test_a_hostile_file_is_a_mistake_and_nothing_worse(world: World, text: str) -> None:
    world.write_user(text)
    assert world.mistakes()[0].startswith(USER)


def test_text_that_is_not_utf8_is_told_with_its_line(world: World) -> None:
    world.write_user("")
    world.user_file.write_bytes(b"models:\n  big: caf\xe9/x\n")
    assert world.mistakes() == (f"{USER}:2: not UTF-8 text",)


def test_mistakes_of_all_sources_are_told_at_once(world: World) -> None:
    world.write_user("nope: 1\n")
    world.write_project("never: 1\n")
    mistakes = world.mistakes({"LOG_LEVEL": "loud"})
    assert [m.split(":")[0] for m in mistakes] == [USER, "~/code/project/.claude-or.yaml", "LOG_LEVEL"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("openrouter:\n  base_url: https://evil.example/v1\n", "it would send your key to an address that the project"),
        ("client:\n  auto_mode: local\n", "it decides what runs without asking you"),
    ],
)
def test_a_project_cannot_redirect_the_key_nor_loosen_the_rules(world: World, text: str, reason: str) -> None:
    world.write_project(text)
    (mistake,) = world.mistakes()
    assert "a project's file may not set this" in mistake
    assert reason in mistake
    world.write_user(text)
    (world.project / ".claude-or.yaml").unlink()
    assert world.load().settings != Settings()


@pytest.mark.parametrize(
    ("env", "flags", "start"),
    [
        ({"LOG_LEVEL": "loud"}, {}, "LOG_LEVEL: expected one of debug, info, warning, error, got 'loud'"),
        ({"OPENROUTER_BASE_URL": "openrouter.ai"}, {}, "OPENROUTER_BASE_URL: expected an address that begins with"),
        (
            {"OPENROUTER_BASE_URL": "https://x:99999/v1"},
            {},
            "OPENROUTER_BASE_URL: 'https://x:99999/v1' is no web address",
        ),
        ({"OPENROUTER_BASE_URL": "https://x/v1?a=b"}, {}, "OPENROUTER_BASE_URL: the address must end with its path"),
        ({"OPENROUTER_BASE_URL": "http://10.0.0.1/v1"}, {}, "OPENROUTER_BASE_URL: plain http is allowed"),
        ({"OPENROUTER_BASE_URL": "https://me:pass@x/v1"}, {}, "OPENROUTER_BASE_URL: the address must not hold a user"),
        ({"BIG_MODEL": "glm"}, {}, f"BIG_MODEL: 'glm' is no model: {FORM}; `claude-or models search glm` looks for it"),
        ({"CLAUDE_OR_CONFIG": "absent.yaml"}, {}, "~/code/project/src/deep/absent.yaml: there is no such file"),
        ({}, {"small": " "}, "--small: expected the name of a model"),
        ({}, {"big": "bedrock:x"}, "--big: 'bedrock:x' is no model: there is no host 'bedrock'"),
        ({}, {"log_level": "loud"}, "--log-level: expected one of"),
    ],
)
def test_a_wrong_variable_or_flag_is_named(
    world: World, env: dict[str, str], flags: dict[str, str], start: str
) -> None:
    assert world.mistakes(env, **flags)[0].startswith(start)


def test_exit_codes_tell_a_wrong_flag_from_a_wrong_file(world: World) -> None:
    with pytest.raises(ClaudeOrError) as flag:
        world.load(log_level="loud")
    world.write_user("nope: 1\n")
    with pytest.raises(ClaudeOrError) as file:
        world.load()
    assert (flag.value.exit_code, file.value.exit_code) == (EXIT_USAGE, EXIT_CONFIG)


@pytest.mark.parametrize(
    "url", ["https://openrouter.ai/api/v1/", "http://127.0.0.1:8099/api/v1", "http://[::1]:1/v1", "http://localhost:9"]
)
def test_https_and_loopback_addresses_are_taken_without_trailing_slash(world: World, url: str) -> None:
    assert world.load({"OPENROUTER_BASE_URL": url}).settings.openrouter.base_url == url.rstrip("/")


def test_an_address_without_its_version_is_warned_about(world: World) -> None:
    loaded = world.load({"OPENROUTER_BASE_URL": "https://openrouter.ai/api"})
    assert ["https://openrouter.ai/api/v1" in warning for warning in loaded.warnings] == [True]


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_a_named_configuration_replaces_the_users(world: World, by: str) -> None:
    world.write_user("log_level: debug\n")
    other = world.cwd / "other.yaml"
    other.write_text("models: {big: o/big}\n", encoding="utf-8")
    loaded = world.load(config="other.yaml") if by == "flag" else world.load({"CLAUDE_OR_CONFIG": "other.yaml"})
    assert (loaded.settings.models.big, loaded.settings.log_level) == ("o/big", "info")


def test_a_configuration_can_be_named_from_the_home_folder(world: World) -> None:
    (world.home / "mine.yaml").write_text("log_level: debug\n", encoding="utf-8")
    assert world.load(config="~/mine.yaml").settings.log_level == "debug"


def test_a_file_without_any_key_says_nothing(world: World) -> None:
    world.write_user("# all commented out\n---\n")
    assert world.load().settings == Settings()


def test_a_mapping_can_be_reused_by_an_anchor(world: World) -> None:
    world.write_user("profiles:\n  a: &a {big: a/b}\n  b: {<<: *a, small: c/d}\n")
    assert world.load(profile="b").settings.models.big == "a/b"


def test_an_unreadable_place_is_told_not_survived(world: World) -> None:
    world.user_file.mkdir(parents=True)
    assert world.mistakes() == (f"{USER}: cannot be read: Is a directory",)


def test_every_place_looked_at_is_remembered_absent_ones_too(world: World) -> None:
    world.write_project("log_level: debug\n")
    files = {os.path.relpath(f.path, world.home): f.size for f in world.load().files}
    assert files == {
        ".config/claude-or/config.yaml": -1,
        "code/project/src/deep/.claude-or.yaml": -1,
        "code/project/src/.claude-or.yaml": -1,
        "code/project/.claude-or.yaml": 17,
    }


def test_the_search_for_a_project_stops_at_git_root_home_and_in_shared_folders(tmp_path: Path) -> None:
    home, shared = tmp_path / "home", tmp_path / "shared/below"
    (home / "plain/sub").mkdir(parents=True)
    shared.mkdir(parents=True)
    environ = {"HOME": str(home)}

    def searched(cwd: Path) -> list[str]:
        return [os.path.relpath(place, tmp_path) for place in project_places(environ, str(cwd))]

    assert searched(home / "plain/sub") == [f"home/{x}.claude-or.yaml" for x in ("plain/sub/", "plain/", "")]
    assert searched(shared) == ["shared/below/.claude-or.yaml"]
    (tmp_path / "shared/.git").mkdir()
    assert searched(shared) == ["shared/below/.claude-or.yaml", "shared/.claude-or.yaml"]


SLUGS = st.from_regex(r"[a-z]{1,6}/[a-z0-9.-]{1,8}", fullmatch=True)
MODELS = st.fixed_dictionaries({}, optional=dict.fromkeys(("big", "small", "main", "opus", "haiku", "subagent"), SLUGS))


@given(user=MODELS, project=MODELS, flags=st.fixed_dictionaries({}, optional={"big": SLUGS, "small": SLUGS}))
def test_each_value_comes_from_the_strongest_source_that_speaks_for_it(
    tmp_path_factory: pytest.TempPathFactory, user: dict[str, str], project: dict[str, str], flags: dict[str, str]
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    for write, models in ((world.write_user, user), (world.write_project, project)):
        write("models:\n" + "".join(f"  {role}: {slug}\n" for role, slug in models.items()))
    loaded = world.load({}, **flags)
    leader = {"main": "big", "opus": "big", "subagent": "big", "haiku": "small"}
    for role in ("big", "small", *leader):
        expected = None
        for layer in (user, project, flags):
            if role in layer:
                expected = layer[role]
            elif leader.get(role) in layer:
                expected = None
        assert getattr(loaded.settings.models, role) == expected
        assert (f"models.{role}" in loaded.origins) == (expected is not None)


def test_settings_survive_the_launch_cache_without_pydantic(world: World) -> None:
    world.write_user(
        "models: {big: a/b}\nprofiles: {p: {small: c/d}}\naliases: {x: e/f}\nlimits: {idle: 5}\nclient: {auto_mode: local}\n"
    )
    settings = world.load().settings
    assert from_plain(marshal.loads(marshal.dumps(to_plain(settings)))) == settings


def test_caps_are_amounts_in_dollars_and_the_flag_speaks_for_the_session(world: World) -> None:
    world.write_user("budget: {session: 5, day: 10.5, unknown_price: allow}\nledger: {keep_days: 30}\n")
    assert world.load().settings.budget.session == 5
    assert world.load().settings.budget.day == 10.5
    assert world.load().settings.ledger.keep_days == 30
    loaded = world.load(budget="$0.25")
    assert loaded.settings.budget.session == 0.25
    assert loaded.origin("budget.session").layer == "flag"


@pytest.mark.parametrize("amount", ["", "five", "-1", "nan", "1e9"])
def test_a_cap_that_is_no_amount_is_told(world: World, amount: str) -> None:
    (told,) = world.mistakes(budget=amount)
    assert "--budget" in told
    assert "US dollars" in told


def test_a_projects_file_may_lower_a_cap_but_not_raise_it(world: World) -> None:
    world.write_user("budget: {day: 10, session: 5}\n")
    world.write_project("budget: {day: 1000, session: 1, month: 3}\n")
    budget = world.load().settings.budget
    assert (budget.day, budget.session, budget.month) == (10, 1, 3)
    world.write_project("budget: {unknown_price: allow}\n")
    assert "may not set" in world.mistakes()[0]
