"""How hosts say that an answer may not be as long as was asked for, and how long it may be.

What the listing or the configuration says of a model is asked for from the start; these are the hosts that nobody has
said anything about. The wordings are collected from providers' documentation and from reports of their users.
"""

from __future__ import annotations

import re
from typing import Final

_N: Final = r"(?P<most>\d[\d,]*)"
_FIELD: Final = r"max(?:_|imum | )?(?:completion_|new_|output_)?tokens?"

_WORDINGS: Final = (
    # OpenAI, Xiaomi
    rf"supports at most {_N} completion tokens",
    # Anthropic
    rf"max_tokens: \d+ > {_N}, which is the maximum allowed number of output tokens",
    # DeepSeek, Alibaba
    rf"range of {_FIELD} (?:is|should be) \[\d+, ?{_N}\]",
    # Groq, Cohere, Mistral and gateways
    rf"`?{_FIELD}`? must be (?:less than or equal to|at most|no more than|<=) `?{_N}",
    # Volcengine
    rf"{_FIELD}`? .*?expected a value <= {_N}",
    # Bedrock
    rf"maximum tokens you requested exceeds the model limit of {_N}",
    # Google names the first value that is too much
    r"supported range is from \d+ \(inclusive\) to (?P<below>\d+) \(exclusive\)",
)


def output_limit_in(text: str) -> int | None:
    """The most output tokens that the host takes, None when the error is about something else."""
    for wording in _WORDINGS:
        if found := re.search(wording, text, re.IGNORECASE | re.DOTALL):
            said = found.groupdict()
            return whole(said["most"]) if "most" in said else whole(said["below"]) - 1
    return None


def whole(digits: str) -> int:
    """`8,192` as a number; as many digits as a count of tokens can have, since Python refuses to read thousands of them."""
    return int(digits.replace(",", "")[:15] or 0)
