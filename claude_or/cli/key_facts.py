"""What the host says about a key (`GET /key`), as findings. Every field may be missing: most are newer than many hosts.

Source: OpenRouter's reference of `GET /key`. A null limit says nothing about the account's balance.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from claude_or.cli.result import Finding
from claude_or.config.key import Key

KEYS_PAGE = "https://openrouter.ai/settings/keys"
CREDITS_PAGE = "https://openrouter.ai/settings/credits"
BALANCE = f"The account's balance is not told to a key: {CREDITS_PAGE} shows it."
LOW_SHARE = 0.05
SOON_DAYS = 7


def key_findings(key: Key, told: Any, now: float) -> list[Finding]:
    """Findings about an accepted key, from the decoded body of the answer."""
    data = _mapping(_mapping(told).get("data"))
    named = f"{key.masked} from {key.source}"
    findings = [
        *_budget_findings(data),
        *_free_findings(data),
        *_expiry_findings(data, now),
        *(Finding("warn", "key", text) for text in key.warnings),
    ]
    if data.get("is_management_key") is True:
        text = "this is a management key; it cannot ask models"
        findings.append(Finding("error", "key", text, "", f"Make an ordinary key at {KEYS_PAGE}."))
    return [Finding("ok", "key", f"{named}, accepted; {_limit_text(data)}", BALANCE), *findings]


def _limit_text(data: Mapping[str, Any]) -> str:
    left, limit = _number(data.get("limit_remaining")), _number(data.get("limit"))
    if limit is None or left is None:
        return "no limit of its own"
    reset = data.get("limit_reset")
    return f"${left:.2f} of ${limit:.2f} left" + (f" ({reset})" if isinstance(reset, str) else "")


def _budget_findings(data: Mapping[str, Any]) -> list[Finding]:
    """The tightest layer that the host names; the key's own limit when it names none."""
    budget = _mapping(data.get("effective_budget"))
    left = _number(budget.get("remaining_usd", data.get("limit_remaining")))
    limit = _number(budget.get("limit_usd", data.get("limit")))
    if left is None or limit is None:
        return []
    scope = str(budget.get("scope") or "key_limit").replace("_", " ")
    scope += "" if scope.endswith(("limit", "budget")) else " budget"
    if left <= 0:
        return [Finding("error", "key", f"the {scope} of ${limit:.2f} is used up", "", f"Raise it at {KEYS_PAGE}.")]
    if left < limit * LOW_SHARE:
        text = f"only ${left:.2f} of the {scope} of ${limit:.2f} left"
        return [Finding("warn", "key", text, "", f"Raise it at {KEYS_PAGE} before it is used up.")]
    return []


def _free_findings(data: Mapping[str, Any]) -> list[Finding]:
    if data.get("is_free_tier") is not True:
        return []
    daily = _mapping(data.get("free_model_daily_requests"))
    left, limit = _number(daily.get("remaining")), _number(daily.get("limit"))
    counted = (
        f"; {left:.0f} of today's {limit:.0f} free requests left" if left is not None and limit is not None else ""
    )
    text = f"no credits were ever bought: only models that end in :free will answer{counted}"
    detail = "One prompt in Claude Code takes several requests; the count starts anew at midnight UTC."
    return [Finding("warn", "key", text, detail, f"Buy credits at {CREDITS_PAGE}.")]


def _expiry_findings(data: Mapping[str, Any], now: float) -> list[Finding]:
    text = data.get("expires_at")
    if not isinstance(text, str):
        return []
    try:
        ends = datetime.fromisoformat(text)
    except ValueError:
        return []
    left = ((ends if ends.tzinfo else ends.replace(tzinfo=UTC)) - datetime.fromtimestamp(now, UTC)).days
    if left > SOON_DAYS:
        return []
    return [Finding("warn", "key", f"the key expires on {text[:10]}", "", f"Make a new one at {KEYS_PAGE}.")]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
