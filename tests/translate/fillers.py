"""Fillers of several kinds, and how many tokens real tokenizers count for them.

The counts were taken once with the public vocabularies of four tokenizers, each filler repeated forty times, and are per filler. They
make a host that counts like a real one, without a tokenizer at hand.
"""

from __future__ import annotations

from typing import Any, Final

FILLERS: Final = {
    "prose": (
        "- **Never** retry a POST that was half-sent (HTTP 409/425): re-read `docs/limits.md` §3.2 first, "
        'e.g. via `rg -n "max_tokens"`. Unlike stdout, stderr isn\'t captured; misconfigured mounts '
        "(/var/tmp, ~/.cache) resurface as ENOSPC.\n"
    ),
    "code": (
        "    def frames(self, chunk: bytes) -> list[Frame]:\n"
        '        """Whole frames only."""\n'
        "        if self._limit is not None and len(chunk) > 4096:\n"
        '            raise TooLong(f"{len(chunk)} bytes", at=self._offset)\n'
        "        return [frame for frame in self._split(chunk) if frame.event != 'ping']\n\n"
    ),
    "json": (
        '{"id":48213,"name":"window-limit","active":true,"score":71.204,"tags":["proxy","token"],'
        '"created_at":"2026-11-23T14:05:00Z"}\n'
    ),
    "chinese": "我们需要先读取配置文件，然后检查每个字段是否符合要求。如果发现错误，就返回并且记录日志；",
    "russian": "Сначала нужно прочитать файл настроек и проверить каждое поле, затем повторить запрос. ",
    "base64": "OLTmUuRNp/I3DZ4mDicTZVCko6bQf1wMMy+LEiQIP9IrkC+JEegYGPjJnV1dmDGVdQTZDpRd4uiB\n",
    "log": "2026-11-23 14:05:09.481 INFO [worker-12] request accepted path=/v1/messages took=148ms bytes=40213\n",
    "diff": (
        "@@ -118,7 +118,9 @@ def serve(port: int) -> None:\n-    listener = bind(port)\n"
        '+    listener = bind(port, backlog=BACKLOG)\n+    log.info("listening", port=port)\n     return run(listener)\n'
    ),
}

COUNTS: Final = {
    "openai/gpt-9": {
        "prose": 70, "code": 72, "json": 45, "chinese": 24, "russian": 19, "base64": 53, "log": 36, "diff": 55, "tool": 134
    },
    "mistralai/large-9": {
        "prose": 77, "code": 78, "json": 60, "chinese": 35, "russian": 24, "base64": 61, "log": 52, "diff": 61, "tool": 146
    },
    "deepseek/deepseek-v9": {
        "prose": 77, "code": 75, "json": 47, "chinese": 22, "russian": 24, "base64": 55, "log": 37, "diff": 61, "tool": 142
    },
    "other/with-100k-entries": {
        "prose": 71, "code": 72, "json": 44, "chinese": 35, "russian": 30, "base64": 57, "log": 36, "diff": 54, "tool": 134
    },
}  # fmt: skip
"""By a slug of the family that the tokenizer is of. `tool` is a `tool_entry` without its prose."""
TOOL_PROSE: Final = 8


def filler(kind: str, times: int) -> str:
    """So many fillers of one kind."""
    return FILLERS[kind] * times


def tool_entry(number: int) -> dict[str, Any]:
    """A tool of ordinary size."""
    path = {"type": "string", "description": "Absolute path, e.g. /srv/app/main.py"}
    start = {"type": "integer", "minimum": 0, "description": "1-based line number"}
    return {
        "name": f"Read{number}",
        "description": (
            "Reads `file_path` (absolute; ~/ isn't expanded). Truncates after 2000 lines or 256KB, unless offset/limit "
            'narrow it.\n- PDFs: pass pages="1-5"; >20 pages/request is rejected.\n- ENOENT returns is_error=true.'
        )
        + filler("prose", TOOL_PROSE),
        "input_schema": {
            "type": "object",
            "properties": {"file_path": path, "offset": start, "limit": {"type": "integer", "maximum": 2000}},
            "required": ["file_path"],
            "additionalProperties": False,
        },
    }
