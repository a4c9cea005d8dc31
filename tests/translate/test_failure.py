"""Any host's error becomes one the client understands, tells the next step, and gives nothing away."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_or.translate.failure import failure_in_stream, failure_of
from claude_or.wire.anthropic import Failure
from tests.translate.rows import shows

NOW = 1_795_400_000.0


def said(status: int, message: str = "it broke", /, **error: Any) -> Failure:
    body = json.dumps({"error": {"code": status, "message": message, **error}})
    return failure_of(status, {}, body.encode(), now=NOW)


@pytest.mark.parametrize(
    ("status", "out", "type_", "kind"),
    [
        (400, 400, "invalid_request_error", "invalid_request"),
        (401, 401, "authentication_error", "authentication"),
        (402, 402, "billing_error", "billing"),
        (403, 403, "permission_error", "permission"),
        (404, 404, "not_found_error", "not_found"),
        (408, 504, "timeout_error", "timeout"),
        (409, 400, "invalid_request_error", "invalid_request"),
        (412, 400, "invalid_request_error", "invalid_request"),
        (413, 413, "request_too_large", "too_large"),
        (418, 400, "invalid_request_error", "invalid_request"),
        (422, 400, "invalid_request_error", "invalid_request"),
        (429, 429, "rate_limit_error", "rate_limit"),
        (500, 500, "api_error", "api"),
        (502, 502, "api_error", "api"),
        (503, 529, "overloaded_error", "overloaded"),
        (504, 504, "timeout_error", "timeout"),
        (520, 502, "api_error", "api"),
        (521, 502, "api_error", "api"),
        (524, 504, "timeout_error", "timeout"),
        (529, 529, "overloaded_error", "overloaded"),
    ],
)
@shows(
    "error 400",
    "error 401",
    "error 402",
    "error 403",
    "error 404",
    "error 408",
    "error 413",
    "error 429",
    "error 500",
    "error 503",
    "error other",
)
def test_each_status_has_its_error(status: int, out: int, type_: str, kind: str) -> None:
    failure = said(status)
    assert (failure.status, failure.type, failure.kind, failure.upstream_status) == (out, type_, kind, status)
    assert failure.message.startswith("it broke.")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"error_type": "provider_overloaded"}, "overloaded"),
        ({"metadata": {"error_type": "payment_required"}}, "billing"),
        ({"type": "rate_limit_error"}, "rate_limit"),
        ({"status": "RESOURCE_EXHAUSTED"}, "rate_limit"),
        ({"code": "insufficient_quota"}, "billing"),
        ({"availability": {"code": "model_deprecated"}}, "not_found"),
        ({"availability": {"code": "region_restricted"}}, "permission"),
        ({"type": "invalid_request_error"}, "api"),
        ({"http_status": 429, "availability": {"retryable": True}}, "api"),
    ],
    ids=lambda value: str(value),
)
def test_the_error_s_own_name_beats_the_status(error: dict[str, Any], kind: str) -> None:
    assert failure_of(500, {}, json.dumps({"error": {"message": "m", **error}}).encode()).kind == kind


def test_the_outermost_name_counts() -> None:
    raw = json.dumps({"error": {"type": "rate_limit_error", "message": "inner words"}})
    failure = said(502, "Provider returned error", metadata={"error_type": "provider_overloaded", "raw": raw})
    assert (failure.kind, failure.message) == ("overloaded", "inner words.")


def test_a_vague_name_counts_where_no_status_came() -> None:
    assert failure_in_stream({"type": "invalid_request_error", "message": "m"}).kind == "invalid_request"


def test_wrapped_errors_are_unwrapped_to_the_words_that_tell_something() -> None:
    innermost = json.dumps({
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "max_tokens too big"},
    })
    middle = json.dumps({"error": {"message": "Provider returned error", "metadata": {"raw": innermost}}})
    failure = said(400, "Provider returned error", metadata={"raw": middle, "provider_name": "Azure"})
    assert failure.message == "Azure: max_tokens too big."


def test_unwrapping_ends() -> None:
    raw = "the core"
    for _ in range(8):
        raw = json.dumps({"error": {"message": "Provider returned error", "metadata": {"raw": raw}}})
    assert failure_of(400, {}, raw.encode()).message == "OpenRouter failed without an explanation (status 400)."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "OpenRouter failed without an explanation (status 500)."),
        (b"upstream connect error", "upstream connect error."),
        (b'"just text"', "just text."),
        (b'{"error": "as a string"}', "as a string."),
        (b'{"detail": [{"loc": ["body", "tools", 0], "msg": "field required"}]}', "body.tools.0: field required."),
        (b'{"detail": [{"loc": [], "msg": "field required"}]}', "field required."),
        (b'{"detail": [{"loc": [{}], "path": "odd", "msg": "field required"}]}', "field required."),
        (
            b'{"error": {"message": "Invalid request", "metadata": {"issues": [{"path": ["messages", 1], "message": "Required"}]}}}',
            "messages.1: Required.",
        ),
        (b'[{"error": {"message": "in a list"}}]', "in a list."),
        (b'{"message": "flat"}', "flat."),
        (b'{"Message": "with a capital"}', "with a capital."),
        (b'{"success": false, "errors": [{"code": 7009, "message": "in a list of errors"}]}', "in a list of errors."),
        (b'{"error": {"message": "{\\"error\\": {\\"message\\": \\"in a string\\"}}"}}', "in a string."),
        (b'{"error": {"message": "curly {but} no json}"}}', "curly {but} no json}."),
        (b"\xff\xfe", "\ufffd\ufffd."),
        (b"7", "OpenRouter failed without an explanation (status 500)."),
        (b"[]", "OpenRouter failed without an explanation (status 500)."),
        (b"[" * 5000, "[" * 2000 + "…."),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_any_body_is_read(body: bytes, message: str) -> None:
    assert failure_of(500, {}, body).message == message


@shows("error never_leaks")
@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>",
        b"<center><h1>504</h1></center>",
        b'{"error": {"message": "Provider returned error", "metadata": {"raw": "<html><body>nginx</body></html>"}}}',
    ],
)
def test_a_web_page_is_never_shown(body: bytes) -> None:
    message = failure_of(502, {}, body).message
    assert message == "OpenRouter failed without an explanation (status 502)."


@shows("error never_leaks")
@pytest.mark.parametrize(
    "text",
    [
        "key sk-or-v1-0123456789abcdef is wrong",
        "Authorization: Bearer abcdefghijklmnop refused",
        "api_key=abcdef0123456789 refused",
        "the token hunter2hunter2 is wrong",
    ],
)
def test_no_key_gets_through(text: str) -> None:
    failure = failure_of(401, {}, json.dumps({"error": {"message": text}}).encode(), secrets=("hunter2hunter2", ""))
    assert "[secret]" in failure.message
    for leak in ("0123456789abcdef", "abcdefghijklmnop", "abcdef0123456789", "hunter2"):
        assert leak not in failure.message


@pytest.mark.parametrize(
    ("headers", "error", "seconds"),
    [
        ({"Retry-After": "3"}, {}, 3.0),
        ({"retry-after": "2.5"}, {}, 2.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, {}, 1.5),
        ({"Retry-After": "Mon, 23 Nov 2026 02:13:30 GMT"}, {}, 10.0),
        ({"Retry-After": "Mon, 23 Nov 2026 02:13:00 GMT"}, {}, 0.0),
        ({"Retry-After": "Mon, 99 Nov 2026 02:13:30 GMT"}, {}, None),
        ({"Retry-After": "Mon, 23 Nix 2026 02:13:30 GMT"}, {}, None),
        ({"Retry-After": "soon"}, {}, None),
        ({"Retry-After": "-4"}, {}, None),
        ({"Retry-After": "nan"}, {}, None),
        ({}, {"availability": {"retry_after": 40}}, 40.0),
        ({"X-RateLimit-Reset": "1795400060000"}, {}, 60.0),
        ({"X-RateLimit-Reset": "1795400060"}, {}, 60.0),
        ({"X-RateLimit-Reset": "12"}, {}, None),
        ({}, {"metadata": {"headers": {"X-RateLimit-Reset": "1795400030"}}}, 30.0),
        ({}, {}, None),
    ],
    ids=lambda value: str(value),
)
@shows("error 429")
def test_the_wait_is_read_wherever_it_stands(
    headers: dict[str, str], error: dict[str, Any], seconds: float | None
) -> None:
    body = json.dumps({"error": {"code": 429, "message": "slow down", **error}}).encode()
    assert failure_of(429, headers, body, now=NOW).retry_after == seconds


def test_dates_need_to_know_the_time() -> None:
    headers = {"Retry-After": "Mon, 23 Nov 2026 02:13:30 GMT", "X-RateLimit-Reset": "1795400060"}
    assert failure_of(429, headers, b"").retry_after is None


@shows("error 401")
def test_a_rejected_key_shows_our_words_at_once() -> None:
    failure = said(401, "No auth credentials found")
    assert failure.should_retry is False
    assert (
        failure.message == "No auth credentials found. Check the API key (`claude-or doctor` says which one is used)."
    )


@shows("error 402")
def test_a_402_names_what_can_be_afforded() -> None:
    failure = said(402, "You requested up to 32,000 tokens, but can only afford 2,666.")
    assert failure.possible_output == 2666
    assert "https://openrouter.ai/settings/credits" in failure.message
    assert said(402, "Insufficient credits").possible_output is None


def test_the_daily_free_allowance_is_not_retried() -> None:
    day = said(
        429, "Rate limit exceeded: free-models-per-day", metadata={"headers": {"X-RateLimit-Reset": "1795478400000"}}
    )
    assert (day.should_retry, day.cause, day.retry_after) == (False, "free_limit", 78_400.0)
    minute = said(429, "Rate limit exceeded: free-models-per-min")
    assert (minute.should_retry, minute.cause) == (None, "")


@shows("error 404")
def test_a_missing_model_names_the_nearest() -> None:
    body = json.dumps({"error": {"code": 400, "message": "acme/nope is not a valid model ID"}}).encode()
    failure = failure_of(400, {}, body, nearest=("acme/one", "acme/two"))
    assert (failure.status, failure.kind, failure.cause) == (404, "not_found", "model_missing")
    assert failure.message == (
        "acme/nope is not a valid model ID. Nearest: acme/one, acme/two. `claude-or models` lists what can be chosen."
    )


def test_availability_tells_why_and_what_else() -> None:
    failure = said(
        404,
        "No endpoints found",
        availability={"code": "no_endpoints", "excluded_by": ["data_policy:zdr", "max_price"]},
    )
    assert failure.cause == "no_endpoint"
    assert "Excluded by data_policy:zdr, max_price." in failure.message
    busy = said(
        429,
        "All providers are at capacity",
        availability={"code": "capacity_exhausted", "retryable": False, "fallback_models": ["x/y", 7]},
    )
    assert busy.should_retry is False
    assert "Others: x/y." in busy.message


@pytest.mark.parametrize("excluded", [["context_length"], ["max_price", "context_length"], "context_length"])
def test_a_prompt_that_fits_no_endpoint_that_is_left_is_an_overflow(excluded: Any) -> None:
    failure = said(
        404,
        "No endpoints found that can handle this request.",
        availability={"code": "constraint_filtered", "retryable": False, "excluded_by": excluded},
    )
    assert (failure.kind, failure.status, failure.message) == ("context_overflow", 400, "prompt is too long")


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("messages.3.content.0: Invalid `signature` in `thinking` block", "reasoning_rejected"),
        ("Function call is missing a thought_signature in functionCall parts", "reasoning_rejected"),
        ("The reasoning_content in the thinking mode must be passed back to the API.", "reasoning_rejected"),
        ("Invalid `data` in `redacted_thinking` block", "reasoning_rejected"),
        ("Input was flagged by moderation", "moderation"),
        ("No endpoints found that support tool use.", "no_endpoint"),
        ("something else", ""),
    ],
)
def test_causes_that_somebody_acts_on_are_named(message: str, cause: str) -> None:
    assert said(400, message).cause == cause


def test_a_moderation_s_reasons_are_told() -> None:
    failure = said(403, "Input was flagged.", metadata={"reasons": ["violence", 7], "provider_name": "OpenAI"})
    assert failure.message == "OpenAI: Input was flagged (violence)."


OVERFLOWS: dict[str, tuple[str, int | None, int | None]] = {
    "openai": (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.",
        130000,
        128000,
    ),
    "openai requested": (
        "This model's maximum context length is 8,192 tokens, however you requested 9,500 tokens (8,500 in your prompt; 1000 for the completion).",
        9500,
        8192,
    ),
    "openrouter": (
        "This endpoint's maximum context length is 131072 tokens. However, you requested about 140000 tokens (108000 of text input, 32000 in the output). Please reduce the length.",
        140000,
        131072,
    ),
    "anthropic": ("prompt is too long: 250000 tokens > 200000 maximum", 250000, 200000),
    "anthropic with output": (
        "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease input length",
        222000,
        200000,
    ),
    "google": (
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        1200000,
        1048576,
    ),
    "google older": ("The input token count exceeds the maximum number of tokens allowed 1048576.", None, None),
    "deepseek": (
        "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens (62000 in the messages, 8000 in the completion).",
        70000,
        65536,
    ),
    "mistral": (
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
        40000,
        32768,
    ),
    "xai": ("This model's maximum prompt length is 131072 but the request contains 140000 tokens.", 140000, 131072),
    "vllm decoder": (
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192. Make sure that it fits.",
        9000,
        8192,
    ),
    "vllm input": ("Input length (9000) exceeds model's maximum context length (8192).", 9000, 8192),
    "vllm output": (
        "'max_tokens' is too large: 32000. This model's maximum context length is 40960 tokens and your request has 12000 input tokens",
        12000,
        40960,
    ),
    "llama.cpp": (
        "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
        9000,
        8192,
    ),
    "llama.cpp older": ("the request exceeds the available context size. try increasing it", None, None),
    "lm studio": (
        "Trying to keep the first 9000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens",
        9000,
        4096,
    ),
    "lm studio older": (
        "The number of tokens to keep from the initial prompt is greater than the context length.",
        None,
        None,
    ),
    "bedrock": ("Input is too long for requested model.", None, None),
    "bedrock nova": (
        "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.",
        None,
        None,
    ),
    "together": (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens and 1000 `max_new_tokens`",
        9000,
        8193,
    ),
    "tgi": ("Input validation error: `inputs` must have less than 4096 tokens. Given: 5000", 5000, 4096),
    "cohere": (
        "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292. Try a shorter prompt",
        4292,
        4081,
    ),
    "ollama": ("input length exceeds maximum context length", None, None),
    "ollama chat": ("prompt too long; exceeded max context length by 12 tokens", None, None),
    "groq": ("Please reduce the length of the messages or completion.", None, None),
    "cerebras": (
        "Please reduce the length of the messages or completion. Current length is 70000 while limit is 65536",
        70000,
        65536,
    ),
    "fireworks": ("The prompt is too long: 140000, model maximum context length: 131071", 140000, 131071),
    "moonshot": (
        "Invalid request: Your request exceeded model token limit: 131072 (requested: 140000)",
        140000,
        131072,
    ),
    "z.ai": ("Prompt exceeds max length", None, None),
    "alibaba": ("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]", None, 129024),
    "minimax": ("invalid params, context window exceeds limit (2013)", None, None),
    "openai responses": (
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        None,
        None,
    ),
    "baseten": (
        "Input length 562514 exceeds the maximum allowed input length of 524256 tokens.",
        562514,
        524256,
    ),
    "together newer": (
        "The input (140000 tokens) is longer than the model's context length (131072 tokens).",
        140000,
        131072,
    ),
    "ds4": ("Prompt has 5,958,968 tokens, but the configured context size is 256,000 tokens", 5958968, 256000),
    "sglang": (
        (
            "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of 40000 tokens: "
            "30000 tokens from the input messages and 10000 tokens for the completion."
        ),
        40000,
        32768,
    ),
    "vllm newer": (
        (
            "This model's maximum context length is 32768 tokens. However, you requested 100 output tokens and your prompt contains at "
            "least 32769 input tokens, for a total of at least 32869 tokens. (parameter=input_tokens, value=32769)"
        ),
        32769,
        32768,
    ),
    "vllm newest": (
        (
            "You passed 40961 input tokens and requested 1 output tokens. However, the model's context length is only 40960 tokens, "
            "resulting in a maximum input length of 40959 tokens."
        ),
        40961,
        40960,
    ),
    "vllm multimodal": (
        "The prompt (total length 40961) is too long to fit into the model (context length 40960). Make sure that it fits.",
        40961,
        40960,
    ),
    "tensorrt": ("Prompt length (9000) exceeds maximum input length (8192). Set log level to info", 9000, 8192),
    "tensorrt older": (
        "The sum of prompt length (9000.0), query length (0) should not exceed max_num_tokens (8192)",
        9000,
        8192,
    ),
    "exllama": ("Prompt length 9000 is greater than max_seq_len 8192", 9000, 8192),
    "vertex": (
        "Unable to submit request because the input token count is 1200000 but model only supports up to 1048576. Reduce it.",
        1200000,
        1048576,
    ),
    "bedrock cohere": (
        "Too many input tokens. Max input tokens: 8192, request input token count: 9000",
        9000,
        8192,
    ),
    "sambanova": (
        "The maximum context length of Meta-Llama-3.1-8B is 8192. However, answering your query will take 9000 tokens.",
        9000,
        8192,
    ),
    "llama-cpp-python": ("Requested tokens (9000) exceed context window of 8192", 9000, 8192),
    "lm studio newer": ("Requested token count (5000) is greater than the context length (4096).", 5000, 4096),
    "lm studio full": ("Context size has been exceeded.", None, None),
    "llama.cpp slot": ("slot context: 8192 tokens, prompt 9000 tokens", 9000, 8192),
    "text-generation-webui": (
        "This model maximum context length is 2048 tokens. However, your messages resulted in over 2050 tokens.",
        2050,
        2048,
    ),
    "github models": ("Request body too large for gpt-4o model. Max size: 8000 tokens.", None, 8000),
    "new-api": ("The number of tokens in request more than max tokens allowed (131072).", None, 131072),
    "litellm": ("litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException", None, None),
    "volcengine": ("The request failed because the input is too long for the model", None, None),
    "volcengine vision": ("Total tokens of image and text exceed max message tokens", None, None),
    "zhipu": ("Prompt 超长", None, None),
    "in Chinese": ("输入长度超过模型上下文上限", None, None),
    "github": ("prompt token count of 70000 exceeds the limit of 64000", 70000, 64000),
    "someone": ("the context length was exceeded", None, None),
}


@shows("error overflow")
@pytest.mark.parametrize(("words", "asked", "limit"), OVERFLOWS.values(), ids=OVERFLOWS.keys())
@pytest.mark.parametrize("status", [400, 413, 500])
def test_an_overflow_is_told_so_that_the_client_compacts(
    words: str, asked: int | None, limit: int | None, status: int
) -> None:
    failure = said(status, words)
    assert (failure.kind, failure.status, failure.type) == ("context_overflow", 400, "invalid_request_error")
    assert (failure.asked_tokens, failure.limit_tokens) == (asked, limit)
    if asked and limit and asked > limit:
        assert failure.message == f"prompt is too long: {asked} tokens > {limit} maximum"
    else:
        assert failure.message == "prompt is too long"


@pytest.mark.parametrize(
    ("words", "room"),
    [
        (OVERFLOWS["openrouter"][0], 131072 - 108000 - 1080 - 64),
        (OVERFLOWS["deepseek"][0], 65536 - 62000 - 620 - 64),
        (OVERFLOWS["openai requested"][0], 0),
        (OVERFLOWS["anthropic with output"][0], 200000 - 190000 - 1900 - 64),
        (OVERFLOWS["vllm output"][0], 40960 - 12000 - 120 - 64),
        (OVERFLOWS["sglang"][0], 32768 - 30000 - 300 - 64),
        (OVERFLOWS["vllm newest"][0], 0),
        (OVERFLOWS["together"][0], 0),
        (
            (
                "This endpoint's maximum context length is 1048576 tokens. However, you requested about 1293741 tokens (1227853 of text "
                "input, 353 of tool input, 65535 in the output)."
            ),
            0,
        ),
        (OVERFLOWS["openai"][0], None),
        (OVERFLOWS["anthropic"][0], None),
        (OVERFLOWS["bedrock"][0], None),
    ],
)
def test_an_overflow_tells_what_a_shorter_answer_would_have(words: str, room: int | None) -> None:
    assert said(400, words).possible_output == room


@pytest.mark.parametrize(
    ("words", "most"),
    [
        ("max_tokens is too large: 32000. This model supports at most 16384 completion tokens, whereas you …", 16384),
        ("max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens for claude-9", 64000),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
        ("<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]", 8192),
        ("`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less …", 8192),
        ("too many tokens: max tokens must be less than or equal to 4,096, the maximum output for this model", 4096),
        ("The maximum tokens you requested exceeds the model limit of 4096. Try again with a lower value.", 4096),
        (
            (
                "The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum value, expected a "
                "value <= 12288, but got 32000 instead."
            ),
            12288,
        ),
        (
            (
                "Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) "
                "to 65537 (exclusive)."
            ),
            65536,
        ),
        ("max_tokens must be a number", None),
        ("temperature must be less than or equal to 2", None),
    ],
)
def test_a_refused_output_limit_tells_the_one_that_is_taken(words: str, most: int | None) -> None:
    failure = said(400, words)
    assert (failure.kind, failure.possible_output) == ("invalid_request", most)


def test_words_in_the_place_for_a_parameter_are_read() -> None:
    failure = said(
        400,
        "Param Incorrect",
        param="max_tokens is too large: 1048576. This model supports at most 131072 completion tokens",
    )
    assert failure.possible_output == 131072
    assert failure.message == "Param Incorrect."


def test_a_request_above_the_limit_of_a_minute_is_told_at_once() -> None:
    words = (
        "Request too large for model `m` in organization `o` service tier `on_demand` on tokens per minute (TPM): Limit 6000, "
        "Requested 36114, please reduce your message size and try again."
    )
    body = json.dumps({"error": {"message": words, "type": "tokens", "code": "rate_limit_exceeded"}}).encode()
    failure = failure_of(413, {}, body)
    assert (failure.kind, failure.cause, failure.should_retry) == ("rate_limit", "above_rate", False)
    assert "Limit 6000, Requested 36114" in failure.message
    assert "waiting does not help" in failure.message


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (402, "can only afford {}"),
        (400, "This model supports at most {} completion tokens"),
        (400, "prompt is too long: {0} tokens > {0} maximum"),
        (400, "input length and `max_tokens` exceed context limit: {0} + {0} > {0}"),
    ],
)
def test_a_figure_of_thousands_of_digits_is_no_figure(status: int, words: str) -> None:
    assert said(status, words.format("9" * 6_000)).message


def test_a_long_page_keeps_nobody_busy() -> None:
    page = "maximum context length is 1 requested " * 1_700
    started = time.perf_counter()
    assert said(400, page).kind == "context_overflow"
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "code",
    [
        "context_length_exceeded",
        "string_above_max_length",
        "tokens_limit_reached",
        "OutofContextError",
        "model_context_window_exceeded",
        "1261",
    ],
)
def test_an_overflow_is_known_by_its_code(code: str) -> None:
    assert (
        failure_of(400, {}, json.dumps({"error": {"code": code, "message": "no"}}).encode()).kind == "context_overflow"
    )


def test_an_overflow_s_figures_may_be_fields() -> None:
    error = {
        "code": 400,
        "message": "the request exceeds the available context size",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 9000,
        "n_ctx": 8192,
    }
    assert failure_of(400, {}, json.dumps({"error": error}).encode()).message == (
        "prompt is too long: 9000 tokens > 8192 maximum"
    )


def test_an_overflow_is_found_in_a_provider_s_wrapped_words_and_inside_a_stream() -> None:
    raw = json.dumps({"error": {"message": OVERFLOWS["openai"][0], "code": "context_length_exceeded"}})
    error = {"code": 400, "message": "Provider returned error", "metadata": {"raw": raw}}
    assert said(400, **{k: v for k, v in error.items() if k != "code"} | {}).kind == "context_overflow"
    assert failure_in_stream(error).message == "prompt is too long: 130000 tokens > 128000 maximum"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            429,
            "Request too large for m on tokens per min (TPM): Limit 30000, Requested 40000. Reduce the length of the messages",
        ),
        (402, "prompt is too long for your credits"),
        (400, "max_tokens: 128000 > 32000, which is the maximum allowed number of output tokens"),
        (400, "max_tokens is too large: 32000. This model supports at most 16384 completion tokens"),
        (400, "The output token limit exceeded what this model gives"),
        (400, "Token rate limit exceeded: too many input tokens per minute"),
        (500, "You exceeded your token quota: token limit exceeded for today"),
        (400, "temperature exceeds the limit of 2"),
        (400, "tool name is too long: 70 characters, limit is 64"),
    ],
)
def test_what_is_no_overflow_is_not_taken_for_one(status: int, words: str) -> None:
    assert said(status, words).kind != "context_overflow"


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        ({"code": 502, "message": "Provider disconnected"}, "api", "Provider disconnected."),
        ({"code": "429", "message": "slow"}, "rate_limit", "slow."),
        ({"message": "boom", "metadata": {"error_type": "provider_overloaded"}}, "overloaded", "boom."),
        ("boom", "api", "boom."),
        (None, "api", "OpenRouter failed without an explanation."),
        ([], "api", "OpenRouter failed without an explanation."),
        ({}, "api", "OpenRouter failed without an explanation."),
        (True, "api", "OpenRouter failed without an explanation."),
    ],
    ids=lambda value: str(value),
)
def test_an_error_inside_an_answer_is_read(error: Any, kind: str, message: str) -> None:
    failure = failure_in_stream(error)
    assert (failure.kind, failure.message) == (kind, message)


def test_the_host_is_named_where_it_says_nothing() -> None:
    assert failure_of(503, {}, b"", host="ollama").message == "ollama failed without an explanation (status 503)."


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([
                "error",
                "message",
                "code",
                "metadata",
                "raw",
                "availability",
                "headers",
                "type",
                "detail",
            ]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(ANYTHING, st.text(alphabet="abcXYZ019_-", min_size=8, max_size=12))
def test_any_error_becomes_a_failure_and_keeps_the_secret(error: Any, secret: str) -> None:
    body = json.dumps({"error": {"message": f"a{secret}b", "metadata": error}}).encode()
    for failure in (failure_in_stream(error, secrets=(secret,)), failure_of(500, {}, body, now=NOW, secrets=(secret,))):
        assert failure.status >= 400
        assert secret not in failure.message


@given(st.integers(100, 999), st.binary(max_size=40))
def test_any_response_becomes_a_failure(status: int, body: bytes) -> None:
    failure = failure_of(status, {}, body, now=NOW)
    assert 400 <= failure.status < 600
    assert failure.message


@pytest.mark.parametrize(("status", "word"), [(401, "key of this host"), (402, "your account there")])
def test_a_host_of_the_users_own_is_not_taken_for_openrouter(status: int, word: str) -> None:
    failure = failure_of(status, {}, b'{"error": "no"}', host="lab (127.0.0.1:9)", elsewhere=True)
    assert word in failure.message
    assert "openrouter" not in failure.message.lower()
