"""The Messages API's stream: its events, how they are written, and how they fold into one message.

The events form a closed union; whoever consumes them matches exhaustively. Usage figures are cumulative, as in the API.
Source: the reference of streaming Messages, and the accumulators of the official SDKs.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one answer in the API's sense: `input_tokens` excludes what was read from or written to the cache.

    `cost` is what the host says the answer cost, in US dollars, None when it said nothing.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    thinking_tokens: int = 0
    web_search_requests: int = 0
    cost: Decimal | None = None
