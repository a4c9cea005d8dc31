"""The tools that the Messages API knows by type alone, which the client itself runs: their functions, written out.

A model that was not trained on them needs a description and a schema. The arguments are those that the API documents, so
the client runs the calls unchanged. Source: the API's tool documentation (bash, text editor, memory, computer use).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_STRING: Final[dict[str, Any]] = {"type": "string"}
_RANGE: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "First and last line to show, counted from 1; -1 as the last means the end.",
}
_POINT: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "x and y in pixels from the top left corner.",
}


def _object(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


_BASH: Final = (
    "Run a command in a persistent bash session, or restart the session.",
    _object(
        [],
        command={"type": "string", "description": "The command to run. Needed unless restarting."},
        restart={"type": "boolean", "description": "True restarts the session."},
    ),
)

_EDIT_ARGUMENTS: Final[dict[str, Any]] = {
    "path": _STRING,
    "file_text": {"type": "string", "description": "For create: the whole content."},
    "view_range": _RANGE,
    "old_str": {"type": "string", "description": "For str_replace: the text to replace; it must occur exactly once."},
    "new_str": {"type": "string", "description": "For str_replace: what to put in its place."},
    "insert_line": {"type": "integer", "description": "For insert: the line after which to insert, 0 for the start."},
}

_NEW_STR: Final[dict[str, Any]] = {
    "type": "string",
    "description": "For str_replace: what to put in its place. For insert: the text.",
}

_EDITOR_WITH_UNDO: Final = (
    "View, create and edit text files, and undo the last edit of one.",
    _object(
        ["command", "path"],
        command=_one_of("view", "create", "str_replace", "insert", "undo_edit"),
        **{**_EDIT_ARGUMENTS, "new_str": _NEW_STR},
    ),
)
_EDITOR: Final = (
    "View, create and edit text files.",
    _object(
        ["command", "path"],
        command=_one_of("view", "create", "str_replace", "insert"),
        **_EDIT_ARGUMENTS,
        insert_text={"type": "string", "description": "For insert: the text."},
    ),
)
_MEMORY: Final = (
    "Keep notes in files below /memories for later conversations. View /memories, which lists them, before you begin.",
    _object(
        ["command"],
        command=_one_of("view", "create", "str_replace", "insert", "delete", "rename"),
        **_EDIT_ARGUMENTS,
        insert_text={"type": "string", "description": "For insert: the text."},
        old_path={"type": "string", "description": "For rename: the present path."},
        new_path={"type": "string", "description": "For rename: the new path."},
    ),
)
_FIRST_ACTIONS: Final = (
    "screenshot",
    "key",
    "type",
    "mouse_move",
    "left_click",
    "left_click_drag",
    "right_click",
    "middle_click",
    "double_click",
    "cursor_position",
)
_LATER_ACTIONS: Final = ("triple_click", "left_mouse_down", "left_mouse_up", "scroll", "hold_key", "wait")
_LATER_ARGUMENTS: Final[dict[str, Any]] = {
    "start_coordinate": {**_POINT, "description": "For left_click_drag: where it begins, as x and y."},
    "scroll_direction": _one_of("up", "down", "left", "right"),
    "scroll_amount": {"type": "integer", "description": "For scroll: how many clicks of the wheel."},
    "duration": {"type": "number", "description": "For wait and hold_key: seconds."},
}
_ZOOM: Final[dict[str, Any]] = {
    "region": {"type": "array", "items": {"type": "integer"}, "description": "For zoom: x0, y0, x1, y1."}
}


def _computer(actions: tuple[str, ...], keys: str, **more: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    text = {"type": "string", "description": f"For type: the text. {keys}"}
    return (
        "Look at the screen and use mouse and keyboard.",
        _object(["action"], action=_one_of(*actions), coordinate=_POINT, text=text, **more),
    )


_LATER_KEYS: Final = "For key and hold_key: the keys, as in ctrl+s. For clicks and scroll: a key held meanwhile."
_COMPUTER_FIRST: Final = _computer(_FIRST_ACTIONS, "For key: the keys, as in ctrl+s.")
_COMPUTER: Final = _computer((*_FIRST_ACTIONS, *_LATER_ACTIONS), _LATER_KEYS, **_LATER_ARGUMENTS)
_COMPUTER_WITH_ZOOM: Final = _computer(
    (*_FIRST_ACTIONS, *_LATER_ACTIONS, "zoom"), _LATER_KEYS, **_LATER_ARGUMENTS, **_ZOOM
)

_BY_TYPE: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "bash_20241022": _BASH,
    "bash_20250124": _BASH,
    "text_editor_20241022": _EDITOR_WITH_UNDO,
    "text_editor_20250124": _EDITOR_WITH_UNDO,
    "text_editor_20250429": _EDITOR,
    "text_editor_20250728": _EDITOR,
    "memory_20250818": _MEMORY,
    "computer_20241022": _COMPUTER_FIRST,
    "computer_20250124": _COMPUTER,
    "computer_20251124": _COMPUTER,
}


def written_out(tool: Mapping[str, Any]) -> dict[str, Any] | None:
    """The tool as a custom one with description and schema; None when its type is none of these."""
    known = _BY_TYPE.get(tool["type"])
    if known is None:
        return None
    if known is _COMPUTER and tool.get("enable_zoom"):
        known = _COMPUTER_WITH_ZOOM
    description, schema = known
    width, height = tool.get("display_width_px"), tool.get("display_height_px")
    if isinstance(width, int) and isinstance(height, int):
        description = f"{description} The screen is {width} x {height} pixels."
    return {**tool, "type": "custom", "description": description, "input_schema": schema}
