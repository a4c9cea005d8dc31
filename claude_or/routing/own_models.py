"""What a host of the user's own says about its models: their names, and of some the window.

The list is OpenAI's in form; how a window is called differs from host to host, and most hosts tell none. Read permissively: what has no
name is passed over, and a window of an unexpected form counts as not told.
Sources: the hosts' documentation of `GET /models` (vLLM, Groq, Together, Mistral, llama.cpp).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from claude_or.routing.catalog import count_of, mapping_of, text_of

_WINDOWS: Final = ("max_model_len", "context_window", "context_length", "max_context_length")


def listed_models(raw: bytes) -> dict[str, int | None]:
    """Name → window in tokens, None when it is not told; empty when this is no such list."""
    try:
        listing: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    entries = mapping_of(listing).get("data")
    found: dict[str, int | None] = {}
    for entry in map(mapping_of, entries if isinstance(entries, list) else ()):
        if name := text_of(entry.get("id")).strip():
            told = (*(entry.get(key) for key in _WINDOWS), mapping_of(entry.get("meta")).get("n_ctx"))
            found[name] = next((window for value in told if (window := count_of(value))), None)
    return found


def listed_name(model: str, listed: Mapping[str, int | None]) -> str | None:
    """The name under which a model is listed; a tag that hosts add by themselves may be missing."""
    return next((name for name in (model, f"{model}:latest") if name in listed), None)
