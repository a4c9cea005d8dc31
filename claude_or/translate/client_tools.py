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

_EDITOR_WITH_UNDO: Final = (
    "View, create and edit text files.",
    _object(
        ["command", "path"],
        command=_one_of("view", "create", "str_replace", "insert", "undo_edit"),
        **_EDIT_ARGUMENTS,
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
    "Keep notes in files below /memories that stay available in later conversations.",
    _object(
        ["command"],
        command=_one_of("view", "create", "str_replace", "insert", "delete", "rename"),
        **_EDIT_ARGUMENTS,
        insert_text={"type": "string", "description": "For insert: the text."},
        old_path={"type": "string", "description": "For rename: the present path."},
        new_path={"type": "string", "description": "For rename: the new path."},
    ),
)
_COMPUTER: Final = (
    "Look at the screen and use mouse and keyboard.",
    _object(
        ["action"],
        action=_one_of(
            "screenshot",
            "key",
            "type",
            "mouse_move",
            "left_click",
            "left_click_drag",
            "right_click",
            "middle_click",
            "double_click",
            "triple_click",
            "left_mouse_down",
            "left_mouse_up",
            "cursor_position",
            "scroll",
            "hold_key",
            "wait",
            "zoom",
        ),
        coordinate=_POINT,
        start_coordinate=_POINT,
        text={"type": "string", "description": "For type: the text; for key and hold_key: the keys, as in ctrl+s."},
        scroll_direction=_one_of("up", "down", "left", "right"),
        scroll_amount={"type": "integer"},
        duration={"type": "number", "description": "For wait and hold_key: seconds."},
        region={"type": "array", "items": {"type": "integer"}, "description": "For zoom: x0, y0, x1, y1."},
    ),
)

_BY_TYPE: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "bash_20241022": _BASH,
    "bash_20250124": _BASH,
    "text_editor_20241022": _EDITOR_WITH_UNDO,
    "text_editor_20250124": _EDITOR_WITH_UNDO,
    "text_editor_20250429": _EDITOR,
    "text_editor_20250728": _EDITOR,
    "memory_20250818": _MEMORY,
    "computer_20241022": _COMPUTER,
    "computer_20250124": _COMPUTER,
    "computer_20251124": _COMPUTER,
}


def written_out(tool: Mapping[str, Any]) -> dict[str, Any] | None:
    """The tool as a custom one with description and schema; None when its type is none of these."""
    known = _BY_TYPE.get(tool["type"])
    if known is None:
        return None
    description, schema = known
    width, height = tool.get("display_width_px"), tool.get("display_height_px")
    if isinstance(width, int) and isinstance(height, int):
        description = f"{description} The screen is {width} x {height} pixels."
    return {**tool, "type": "custom", "description": description, "input_schema": schema}
