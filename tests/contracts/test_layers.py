"""The layer rule, the purity rule and the size limits of docs/architecture.md, checked on every module."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "claude_or"

LAYER = {
    "cli": 7,
    "session": 6,
    "proxy": 5,
    "mcp": 5,
    "reply": 4,
    "upstream": 3,
    "store": 3,
    "translate": 2,
    "routing": 2,
    "wire": 1,
    "config": 1,
}
PURE = {"wire", "config", "translate", "routing"}
OPEN_TO_ALL = {"claude_or.errors", "claude_or"}
LOG_FROM_LAYER = 3

WORLDLY_MODULES = {
    "aiohttp",
    "asyncio",
    "multiprocessing",
    "random",
    "secrets",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib.request",
    "uuid",
}
WORLDLY_CALLS = {"open", "input", "print"}
READS_FILES = {"claude_or.config.load"}
"""The one module of the pure layers that may touch the disk."""

MAX_FILE_LINES = 450
MAX_FUNCTION_LINES = 60
LONG_FUNCTIONS_ALLOWED: frozenset[str] = frozenset()


def modules() -> list[Path]:
    """Every module of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    """The module's import name."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Names of all imported modules, those inside functions included, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import at line {node.lineno}"
            assert node.module
            yield node.module, node.lineno
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def package_of(name: str) -> str:
    """`claude_or.wire.sse` → `wire`; empty for the top level's own modules."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LAYER else ""


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_point_down(path: Path) -> None:
    name = dotted(path)
    own = package_of(name)
    for target, line in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if not target.startswith("claude_or") or target in OPEN_TO_ALL or target.startswith("claude_or.errors."):
            continue
        if target.startswith("claude_or.__"):
            continue
        if target == "claude_or.log" or target.startswith("claude_or.log."):
            assert LAYER.get(own, 99) >= LOG_FROM_LAYER, f"{name}:{line} logs, but the pure layers do not"
            continue
        there = package_of(target)
        assert there, f"{name}:{line} imports {target}, which belongs to no layer"
        assert own, f"{name}:{line} is open to all and may import no layer ({target})"
        if there != own:
            assert LAYER[there] < LAYER[own], f"{name}:{line} imports {target}: that is not below {own}"


@pytest.mark.parametrize("path", [p for p in modules() if package_of(dotted(p)) in PURE], ids=dotted)
def test_what_decides_does_not_wait(path: Path) -> None:
    name = dotted(path)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for target, line in imported(tree):
        assert target not in WORLDLY_MODULES, f"{name}:{line} imports {target}, but {package_of(name)} is pure"
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith | ast.AsyncFunctionDef) or _is_a_type(
            node, tree
        ), f"{name}:{node.lineno} waits"
        if name in READS_FILES:
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in WORLDLY_CALLS, f"{name}:{node.lineno} calls {node.func.id}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr == "path", f"{name}:{node.lineno} uses os.{node.attr}"


def _is_a_type(node: ast.AST, tree: ast.AST) -> bool:
    """A protocol's method may be `async` without anybody waiting here."""
    return any(
        node in cls.body
        for cls in ast.walk(tree)
        if isinstance(cls, ast.ClassDef) and any(getattr(base, "id", "") == "Protocol" for base in cls.bases)
    )


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_files_and_functions_stay_readable(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    lines = source.count("\n")
    assert lines <= MAX_FILE_LINES, f"{dotted(path)} has {lines} lines; split it by noun inside its layer"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            where = f"{dotted(path)}.{node.name}"
            assert length <= MAX_FUNCTION_LINES or where in LONG_FUNCTIONS_ALLOWED, f"{where} has {length} lines"


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{dotted(path)} has no docstring"


def test_no_module_is_named_after_nothing() -> None:
    empty_names = {"utils", "util", "helpers", "helper", "manager", "managers", "service", "services", "common", "misc"}
    named = [dotted(p) for p in modules() if p.stem in empty_names]
    assert named == []


def test_only_the_worker_knows_litellm() -> None:
    users = {
        dotted(p)
        for p in modules()
        for target, _ in imported(ast.parse(p.read_text(encoding="utf-8")))
        if target.split(".")[0] == "litellm"
    }
    assert users <= {"claude_or.upstream.litellm_worker"}


def test_the_relay_needs_no_library_of_the_protocol() -> None:
    users = {
        dotted(p)
        for p in modules()
        for target, _ in imported(ast.parse(p.read_text(encoding="utf-8")))
        if target.split(".")[0] in {"mcp", "mcp_types", "fastmcp"}
    }
    assert users == set()


def test_broad_excepts_stand_only_at_the_boundaries() -> None:
    """CLI, request handler, owner task, doctor check (docs/architecture.md)."""
    allowed = {
        "cli.main",
        "cli.doctor",
        "proxy.messages",
        "proxy.app",
        "session.flow",
        "mcp.server",
        "log",
        "upstream.litellm_worker",
        "upstream.pdf_worker",
    }
    for path in modules():
        name = dotted(path).removeprefix("claude_or.")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
                )
                if broad:
                    reraised = any(isinstance(n, ast.Raise) and n.exc is None for n in ast.walk(node))
                    assert name in allowed or reraised, f"{name}:{node.lineno} catches everything"
