"""From files to what is started: places, precedence, environments, interpreters, and what needs an approval."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

import pytest

from claude_or.errors import EXIT_CONFIG, ClaudeOrError
from claude_or.mcp.launch import McpSetup
from claude_or.mcp.setup import Group, find_setup
from claude_or.mcp.trust import trust_file

SECRET = "sk-or-v1-canary-0123456789"


class Home:
    """A home with a project in it."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "code"
        (self.project / ".git").mkdir(parents=True)
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.environ = {
            "HOME": str(folder),
            "PATH": str(self.bin),
            "LC_TIME": "C",
            "OPENROUTER_API_KEY": SECRET,
            "ANTHROPIC_API_KEY": SECRET,
            "CLAUDE_CODE_TOKEN": SECRET,
            "OTHER": "not asked for",
        }

    def user(self, text: str) -> Path:
        """Write the user's file."""
        return self.write(Path(self.environ["HOME"]) / ".config/claude-or/mcp_servers.yaml", text)

    def foreign(self, text: str) -> Path:
        """Write the project's file."""
        return self.write(self.project / ".claude-or.yaml", text)

    def write(self, path: Path, text: str) -> Path:
        """Write a file of servers, given the lines below `servers:`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("servers:\n" + "".join(f"  {line}\n" for line in text.splitlines()), encoding="utf-8")
        return path

    def program(self, name: str, text: str = "") -> str:
        """Put a program on PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o700)
        return str(path)

    def find(self, answer: bool | None = None, **ours: str) -> McpSetup:
        """What a launch would have; `answer` is what the user says when asked."""

        def ask(group: Group) -> bool:
            self.asked.append(group)
            return bool(answer)

        self.asked: list[Group] = []
        options = {f"--{name.replace('_', '-')}": value for name, value in ours.items()}
        return find_setup(self.environ, str(self.project), options, None if answer is None else ask)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_server_gets_what_programs_need_and_what_its_entry_names(home: Home) -> None:
    home.environ["HTTPS_PROXY"] = "http://127.0.0.1:1"
    home.user("a: {command: x, inherit: [HTTPS_PROXY, NOT_SET], environment: {MINE: '<$OTHER>', PORT: 3000, ON: true}}")
    (launch,) = home.find().launches

    assert launch.env == {
        "HOME": home.environ["HOME"],
        "PATH": str(home.bin),
        "LC_TIME": "C",
        "HTTPS_PROXY": "http://127.0.0.1:1",
        "MINE": "<not asked for>",
        "PORT": "3000",
        "ON": "true",
    }


@pytest.mark.parametrize("name", ["OPENROUTER_API_KEY", "ANTHROPIC_API_KEY", "CLAUDE_CODE_TOKEN"])
def test_our_key_and_the_clients_variables_are_never_inherited(home: Home, name: str) -> None:
    home.user(f"a: {{command: x, inherit: [{name}]}}")
    with pytest.raises(ClaudeOrError, match=f"servers.a.inherit: {name} is never inherited"):
        home.find()


def test_a_key_that_the_entry_itself_writes_is_given_with_a_warning(home: Home) -> None:
    home.user("a: {command: x, environment: {KEY: '${OPENROUTER_API_KEY}'}}")
    setup = home.find()

    assert setup.launches[0].env["KEY"] == SECRET
    assert setup.launches[0].secrets == (SECRET,)
    assert setup.warnings == ("MCP server a gets OPENROUTER_API_KEY, because its entry asks for it",)


def test_the_working_folder_may_come_from_a_variable(home: Home) -> None:
    home.user('a: {command: one, cwd: "${HOME}/work"}\nb: {command: two, cwd: "~/$OTHER"}')
    assert [launch.cwd for launch in home.find().launches] == [
        f"{home.environ['HOME']}/work",
        f"{home.environ['HOME']}/{home.environ['OTHER']}",
    ]


def test_a_missing_variable_names_file_line_server_and_key(home: Home) -> None:
    home.user("a:\n  command: x\n  environment:\n    KEY: '${NOT_SET}'")
    with pytest.raises(ClaudeOrError) as caught:
        home.find()

    assert caught.value.exit_code == EXIT_CONFIG
    assert caught.value.message == (
        "~/.config/claude-or/mcp_servers.yaml:5: servers.a.environment.KEY: "
        "the variable NOT_SET is not set; set it, or write ${NOT_SET:-default}"
    )


def test_no_shell_reads_a_command_and_a_value_stays_one_argument(home: Home) -> None:
    home.environ["SLY"] = "two words; rm -rf $HOME"
    home.user("a: {command: 'x \"one part\" $SLY', args: ['$SLY', 7]}")
    (launch,) = home.find().launches

    assert launch.commands == (("x", "one part", home.environ["SLY"], home.environ["SLY"], "7"),)


def test_remote_entries_and_those_left_to_the_client_are_passed(home: Home) -> None:
    home.user(
        "far: {type: http, url: 'https://example.org/$OTHER', headers: {A: 'Bearer ${OTHER}'}}\n"
        "own: {command: x y, supervise: false, environment: {B: c}}\n"
        "off: {command: z, enabled: false}"
    )
    setup = home.find()

    assert setup.launches == ()
    assert setup.passed == {
        "far": {
            "type": "http",
            "url": "https://example.org/not asked for",
            "headers": {"A": "Bearer not asked for"},
        },
        "own": {"type": "stdio", "command": "x", "args": ["y"], "env": {"B": "c"}},
    }
    assert setup.secrets == ("not asked for",)


def test_limits_health_and_tools_reach_the_launch(home: Home) -> None:
    home.user(
        "a: {command: x, restart: never, max_restarts: 2, start_timeout: 9, on_unhealthy: restart,"
        " health: {ping: false, interval: 5, url: 'http://127.0.0.1:1/'}, tools: {allow: [r*], deny: [rm]}}\n"
        "b: {command: x, health_check: 'http://127.0.0.1:3001/health'}"
    )
    a, b = home.find().launches

    assert (a.restart, a.max_restarts, a.start_timeout) == (False, 2, 9)
    assert (a.health.ping, a.health.interval, a.health.restart_on_unhealthy) == (False, 5.0, True)
    assert (a.allow, a.deny) == (("r*",), ("rm",))
    assert (b.health.url, b.health.ping, b.health.restart_on_unhealthy) == ("http://127.0.0.1:3001/health", True, False)
    assert b.allow is None


def test_a_later_file_takes_a_name_over_and_says_so(home: Home, tmp_path: Path) -> None:
    home.user("a: {command: one}\nb: {command: one}")
    first = home.write(tmp_path / "first.yaml", "a: {command: two}")
    second = home.write(tmp_path / "second.yaml", "a: {command: three}")
    setup = home.find(mcp=f"{first}\n{second}")

    assert {launch.name: launch.commands[0] for launch in setup.launches} == {"b": ("one",), "a": ("three",)}
    assert len(setup.warnings) == 2
    assert set(setup.files) >= {str(first), str(second), str(home.project / ".claude-or.yaml")}


def test_a_variable_names_the_users_file(home: Home, tmp_path: Path) -> None:
    home.user("a: {command: one}")
    home.environ["MCP_CONFIG_PATH"] = str(home.write(tmp_path / "other.yaml", "b: {command: two}"))
    assert [launch.name for launch in home.find().launches] == ["b"]

    home.environ["MCP_CONFIG_PATH"] = str(tmp_path / "not-there.yaml")
    with pytest.raises(ClaudeOrError, match="there is no such file"):
        home.find()


def test_a_relative_variable_meets_foreign_files_and_needs_an_approval(home: Home) -> None:
    home.write(home.project / "mcp.yaml", "b: {command: two}")
    home.environ["MCP_CONFIG_PATH"] = "mcp.yaml"
    assert home.find().launches == ()


def test_what_a_project_brings_is_left_out_until_it_is_approved(home: Home) -> None:
    home.user("mine: {command: one}")
    home.foreign("theirs: {command: two}\nfar: {type: http, url: 'https://example.org/${OPENROUTER_API_KEY}'}")
    setup = home.find()
    assert [launch.name for launch in setup.launches] == ["mine"]
    assert setup.passed == {}
    assert not setup.lasting
    assert "`claude-or mcp trust`" in setup.warnings[0]

    assert [launch.name for launch in home.find(False).launches] == ["mine"]
    assert len(home.asked) == 1
    assert [launch.name for launch in home.find(True).launches] == ["mine", "theirs"]
    approved = home.find(False)
    assert home.asked == []
    assert not approved.lasting, "it holds a secret"
    assert [launch.name for launch in approved.launches] == ["mine", "theirs"]
    assert stat.S_IMODE(Path(trust_file(home.environ)).stat().st_mode) == 0o600


@pytest.mark.parametrize("environment", ["{PATH: './evil:$PATH'}", "{LD_PRELOAD: ./evil.so, PATH: './evil'}"])
def test_looking_for_node_runs_nothing_of_a_project_that_is_not_approved(home: Home, environment: str) -> None:
    evil = home.project / "evil" / "node"
    evil.parent.mkdir()
    evil.write_text(f"#!/bin/sh\ntouch {home.project}/ran\necho v22.1.0\n", encoding="utf-8")
    evil.chmod(0o700)
    own = home.program("node", f'echo "$LD_PRELOAD" > {home.project}/seen\necho v22.3.1')
    home.environ["PATH"] = f"{home.bin}:/usr/bin:/bin"
    home.foreign(f"a: {{type: node, command: {home.project}/s.js, node_version: '22', environment: {environment}}}")

    with contextlib.chdir(home.project):
        assert home.find().launches == ()
        assert not (home.project / "ran").exists()
        assert (home.project / "seen").read_text().strip() == ""
        (launch,) = home.find(True).launches
    assert launch.env["PATH"].startswith(os.path.dirname(own))


def test_any_change_asks_again(home: Home) -> None:
    home.environ["OTHER"] = "plain"  # too short for a secret
    path = home.foreign("theirs: {command: 'two $OTHER'}")
    assert home.find(True).launches
    assert home.find().lasting
    path.write_text(path.read_text() + "# more\n", encoding="utf-8")
    assert home.find().launches == ()
    assert home.find(True).launches
    home.environ["OTHER"] = "another value"
    assert home.find().launches == ()


def test_an_approval_holds_for_one_place(home: Home, tmp_path: Path) -> None:
    home.foreign("theirs: {command: two}")
    assert home.find(True).launches
    home.project = tmp_path / "copy"
    (home.project / ".git").mkdir(parents=True)
    home.foreign("theirs: {command: two}")
    assert home.find().launches == ()


def test_an_option_approves_once_for_machines(home: Home) -> None:
    home.foreign("theirs: {command: two}")
    assert home.find(trust_mcp="1").launches
    assert home.find().launches == ()


def test_a_variable_that_a_project_misses_does_not_stop_the_session(home: Home) -> None:
    home.user("mine: {command: one}")
    home.foreign("theirs: {command: 'two $NOT_SET'}")
    setup = home.find(True)

    assert home.asked == []
    assert [launch.name for launch in setup.launches] == ["mine"]
    assert "NOT_SET" in setup.warnings[0]


@pytest.mark.parametrize(
    ("command", "commands"),
    [
        (
            "uvx mcp-server-time --x",
            [
                "uvx --offline --python 3.11 mcp-server-time --x",
                "uvx --python 3.11 mcp-server-time --x",
            ],
        ),
        ("uvx --offline t", ["uvx --python 3.11 --offline t"]),
        (
            "uv tool run t",
            ["uv tool run --offline --python 3.11 t", "uv tool run --python 3.11 t"],
        ),
        (
            "python3 -m server",
            [
                "BIN/uv run --offline --no-project --python 3.11 -- python -m server",
                "BIN/uv run --no-project --python 3.11 -- python -m server",
            ],
        ),
        (
            "./server.py a",
            [
                "BIN/uv run --offline --no-project --python 3.11 -- python ./server.py a",
                "BIN/uv run --no-project --python 3.11 -- python ./server.py a",
            ],
        ),
        ("/opt/venv/bin/server", ["/opt/venv/bin/server"]),
    ],
)
def test_a_python_version_goes_by_uv_offline_first(home: Home, command: str, commands: list[str]) -> None:
    home.program("uv")
    home.program("uvx")
    home.user(f"a: {{type: python, command: {command}, python_version: '3.11'}}")
    (launch,) = home.find().launches

    assert [" ".join(one).replace(str(home.bin), "BIN") for one in launch.commands] == commands


def test_without_uv_an_installed_python_serves(home: Home) -> None:
    own = home.program("python3.11")
    home.user("a: {type: python, command: python -m server, python_version: '3.11'}")
    assert home.find().launches[0].commands == ((own, "-m", "server"),)


def test_without_either_the_server_is_left_out_with_the_reason(home: Home) -> None:
    home.user("a: {type: python, command: python -m server, python_version: '3.11'}\nb: {command: x}")
    setup = home.find()

    assert [launch.name for launch in setup.launches] == ["b"]
    assert setup.warnings == (
        "MCP server a is left out: neither uv nor python3.11 was found; install uv (https://docs.astral.sh/uv) or that Python",
    )


def test_a_matching_node_on_path_serves(home: Home) -> None:
    node = home.program("node", "echo v22.3.1")
    home.user("a: {type: node, command: node server.js, node_version: '22'}")
    (launch,) = home.find().launches

    assert launch.commands == ((node, "server.js"),)


def test_a_version_managers_newest_matching_node_serves(home: Home) -> None:
    home.program("node", "echo v18.0.0")
    for version in ("v22.3.1", "v22.11.0", "v20.9.0"):
        folder = Path(home.environ["HOME"]) / ".nvm/versions/node" / version / "bin"
        folder.mkdir(parents=True)
        for name in ("node", "npx"):
            (folder / name).write_text("#!/bin/sh\n", encoding="utf-8")
            (folder / name).chmod(0o700)
    home.user("a: {type: node, command: npx -y server, node_version: '22'}")
    (launch,) = home.find().launches

    folder = f"{home.environ['HOME']}/.nvm/versions/node/v22.11.0/bin"
    assert launch.commands == ((f"{folder}/npx", "--prefer-offline", "-y", "server"),)
    assert launch.env["PATH"].split(":")[0] == folder
    assert Path(launch.cwd).is_dir()
    assert list(Path(launch.cwd).iterdir()) == [], "npx prefers what it finds in the folder it runs in"


def test_otherwise_npx_brings_the_node(home: Home) -> None:
    npx = home.program("npx")
    home.user("a: {type: node, command: npx -y server, node_version: '22'}")
    (launch,) = home.find().launches

    assert launch.commands == ((npx, "--prefer-offline", "-y", "-p", "node@22", "--", "npx", "-y", "server"),)
