"""The fake host's catalogue and account: invented models that carry the traps of the real listing.

A reasoning model whose first provider is smaller than the model, one with a price step, a free one without tools, `~latest`
aliases with targets, the router priced -1, one that reads no pictures and one that does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

Listed = dict[str, Any]

GLM = "z-ai/glm-5.3"
GPT = "openai/gpt-6.1-sol"
GEMINI = "google/gemini-4-argon"
SMALL = "qwen/qwen4-coder-flash"
FREE = "sample-labs/tiny-chat-8b:free"
SONNET = "anthropic/claude-sonnet-5.5"

_SAMPLING = ("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty", "repetition_penalty")
_TOOLS = ("tools", "tool_choice", "response_format", "structured_outputs")
_THINKS = ("reasoning", "include_reasoning")
_EFFORTS = ("max", "xhigh", "high", "medium", "low")


def listed(
    slug: str,
    *,
    name: str | None = None,
    permaslug: str | None = None,
    context: int = 200_000,
    top_context: int | None = None,
    max_output: int | None = 32_000,
    prompt: str = "0.000001",
    completion: str = "0.000004",
    cache_read: str | None = "0.0000001",
    cache_write: str | None = None,
    inputs: Sequence[str] = ("text",),
    parameters: Sequence[str] = (*_TOOLS, "max_tokens", "stop", *_SAMPLING),
    reasoning: Mapping[str, Any] | None = None,
    alias_target: str | None = None,
    **more: Any,
) -> Listed:
    """One entry of `GET /models`. Prices are strings, US dollars per token; unknown keywords are taken as fields."""
    pricing: dict[str, Any] = {"prompt": prompt, "completion": completion}
    if prompt != "-1":
        pricing |= {"request": "0", "image": "0", "web_search": "0", "internal_reasoning": "0"}
    if cache_read:
        pricing["input_cache_read"] = cache_read
    if cache_write:
        pricing["input_cache_write"] = cache_write
    entry: Listed = {
        "id": slug,
        "canonical_slug": permaslug or slug,
        "hugging_face_id": None,
        "name": name or slug.rpartition("/")[2],
        "created": 1_790_000_000,
        "description": "Exists only in tests.",
        "context_length": context,
        "architecture": {
            "modality": "+".join(inputs) + "->text",
            "input_modalities": list(inputs),
            "output_modalities": ["text"],
            "tokenizer": "Other",
            "instruct_type": None,
        },
        "pricing": pricing,
        "top_provider": {
            "context_length": top_context or context,
            "max_completion_tokens": max_output,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": sorted({*parameters, *(_THINKS if reasoning else ())}),
        "default_parameters": None,
        "supported_voices": None,
        "knowledge_cutoff": None,
        "expiration_date": None,
        "links": {"details": f"/api/v1/models/{slug}/endpoints"},
    }
    if reasoning:
        entry["reasoning"] = dict(reasoning)
    if alias_target:
        entry["alias_target"] = {"slug": alias_target, "name": alias_target.rpartition("/")[2]}
    return entry | more


def _thinks(*, mandatory: bool = False, efforts: Sequence[str] = _EFFORTS, effort: str = "high") -> dict[str, Any]:
    return {
        "mandatory": mandatory,
        "default_enabled": True,
        "default_effort": effort,
        "supported_efforts": list(efforts),
    }


def _claude(family: str, price: tuple[str, str, str, str], permaslug: str) -> list[Listed]:
    prompt, completion, read, write = price
    slug = f"anthropic/claude-{family}-5.5"
    facts: dict[str, Any] = {
        "context": 1_000_000,
        "max_output": 128_000,
        "prompt": prompt,
        "completion": completion,
        "cache_read": read,
        "cache_write": write,
        "inputs": ("text", "image", "file"),
        "parameters": (*_TOOLS, "max_tokens", "stop", "verbosity"),
        "reasoning": _thinks(),
    }
    latest = f"~anthropic/claude-{family}-latest"
    return [
        listed(slug, name=f"Claude {family.title()} 5.5", permaslug=permaslug, **facts),
        listed(latest, name=f"Claude {family.title()} Latest", alias_target=slug, **facts),
    ]


def default_listing() -> list[Listed]:
    """The models the fake offers unless a test says otherwise."""
    step = [{"min_prompt_tokens": 272_000, "prompt": "0.0000025", "completion": "0.000015"}]
    gpt = listed(
        GPT,
        permaslug=f"{GPT}-20261015",
        context=1_050_000,
        max_output=128_000,
        prompt="0.00000125",
        completion="0.00001",
        cache_read="0.000000125",
        inputs=("text", "image", "file"),
        parameters=(*_TOOLS, "max_tokens", "seed", "parallel_tool_calls", "verbosity"),
        reasoning=_thinks(mandatory=True, effort="medium"),
    )
    gpt["pricing"]["overrides"] = step
    return [
        listed(
            GLM,
            name="GLM 5.3",
            permaslug=f"{GLM}-20260908",
            context=1_048_576,
            top_context=202_752,
            max_output=131_072,
            prompt="0.0000006",
            completion="0.0000022",
            cache_read="0.00000011",
            reasoning=_thinks(efforts=("max", "high", "low")),
        ),
        gpt,
        listed(
            GEMINI,
            permaslug=f"{GEMINI}-20261020",
            context=1_048_576,
            max_output=65_536,
            prompt="0.0000015",
            completion="0.000009",
            cache_read="0.00000015",
            inputs=("text", "image", "file", "audio", "video"),
            reasoning=_thinks(mandatory=True, efforts=("high", "medium", "low")),
        ),
        listed(SMALL, permaslug=f"{SMALL}-20260801", context=262_144, max_output=65_536, inputs=("text", "image")),
        listed(
            FREE,
            permaslug=FREE.removesuffix(":free"),
            context=131_072,
            top_context=32_768,
            max_output=4_096,
            prompt="0",
            completion="0",
            cache_read=None,
            parameters=("max_tokens", "temperature", "top_p", "stop"),
            expiration_date="2099-12-31",
        ),
        *_claude("opus", ("0.000005", "0.000025", "0.0000005", "0.00000625"), "anthropic/claude-5.5-opus-20261003"),
        *_claude("sonnet", ("0.000003", "0.000015", "0.0000003", "0.00000375"), "anthropic/claude-5.5-sonnet-20261003"),
        *_claude("haiku", ("0.000001", "0.000005", "0.0000001", "0.00000125"), "anthropic/claude-5.5-haiku-20261003"),
        *_claude("fable", ("0.000002", "0.00001", "0.0000002", "0.0000025"), "anthropic/claude-5.5-fable-20261003"),
        listed(
            "openrouter/auto",
            context=2_000_000,
            max_output=None,
            prompt="-1",
            completion="-1",
            cache_read=None,
            inputs=("text", "image", "file"),
        ),
    ]


def endpoints(entry: Mapping[str, Any]) -> dict[str, Any]:
    """`GET /models/{author}/{slug}/endpoints` of one entry: two providers that differ in what they can take."""
    windows = (entry["top_provider"]["context_length"], entry["context_length"])
    hosts = (("DeepInfra", "deepinfra/fp8", windows[0]), ("Novita", "novita", windows[1]))
    kept = ("id", "name", "created", "description", "architecture")
    return {**{k: entry[k] for k in kept}, "endpoints": [_endpoint(entry, *host) for host in hosts]}


def _endpoint(entry: Mapping[str, Any], provider: str, tag: str, window: int) -> dict[str, Any]:
    return {
        "name": f"{provider} | {entry['canonical_slug']}",
        "model_id": entry["id"],
        "model_name": entry["name"],
        "provider_name": provider,
        "tag": tag,
        "quantization": "fp8" if "fp8" in tag else None,
        "context_length": window,
        "max_completion_tokens": entry["top_provider"]["max_completion_tokens"],
        "max_prompt_tokens": None,
        "pricing": {**{k: v for k, v in entry["pricing"].items() if k != "overrides"}, "discount": 0},
        "supported_parameters": entry["supported_parameters"],
        "supports_tool_choice": {"auto": True, "none": True, "required": tag == "novita", "function": False},
        "supports_implicit_caching": True,
        "supports_diarization": False,
        "native_tools": {},
        "service_tier": None,
        "status": 0,
        "uptime_last_5m": 100,
        "uptime_last_30m": 99.5,
        "uptime_last_1d": 99.0,
        "latency_last_30m": {"p50": 700, "p75": 900, "p90": 1500, "p99": 4000},
        "throughput_last_30m": {"p50": 70, "p75": 60, "p90": 45, "p99": 15},
    }


def key_info(label: str, spent: Decimal, *, limit: float | None = 25.0, free_tier: bool = False) -> dict[str, Any]:
    """`GET /key` of a key that has spent so much, in US dollars."""
    used = float(spent)
    layer = {
        "scope": "key_limit",
        "budget_id": None,
        "guardrail_id": None,
        "limit_usd": limit,
        "spend_usd": used,
        "remaining_usd": None if limit is None else limit - used,
        "include_byok": False,
        "reset_interval": "monthly",
        "resets_at": "2099-01-01T00:00:00Z",
    }
    budgets = [] if limit is None else [layer]
    spans = ("", "_daily", "_weekly", "_monthly")
    return {
        "label": label,
        "limit": limit,
        "limit_remaining": None if limit is None else limit - used,
        "limit_reset": None if limit is None else "monthly",
        "include_byok_in_limit": False,
        **{f"usage{span}": used for span in spans},
        **{f"byok_usage{span}": 0 for span in spans},
        "is_free_tier": free_tier,
        "is_management_key": False,
        "is_provisioning_key": False,
        "creator_user_id": "user_0FakeAccountOfTheTests000",
        "organization_id": None,
        "workspace_id": "00000000-0000-4000-8000-000000000001",
        "expires_at": None,
        "allowed_data_regions": ["global"],
        "budgets": budgets,
        "effective_budget": layer if budgets else None,
        "free_model_daily_requests": {
            "limit": 50 if free_tier else 1000,
            "used": 0,
            "remaining": 50 if free_tier else 1000,
        },
        "rate_limit": {"requests": -1, "interval": "10s", "note": "Has no meaning any more."},
    }
