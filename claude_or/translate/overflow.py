"""How hosts say that a prompt does not fit, and the figures in it.

Each host has its own wording; Claude Code compacts only when it recognises one. So all are read here, the figures taken out,
and the failure told again in the one form the client knows best: "prompt is too long: A tokens > B maximum".
Many hosts count the answer's limit in. Where they tell the parts, `room` is what a shorter answer would have beside this prompt.
The wordings are collected from providers' documentation and from reports of their users; a test holds one example of each.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec


class Overflow(msgspec.Struct, frozen=True):
    """A prompt that did not fit: tokens asked for and the limit, and the output tokens that would still fit beside the prompt; None
    where the host did not say."""

    asked: int | None
    limit: int | None
    room: int | None = None


_N: Final = r"(?P<{}>\d[\d,_.]*)"
_ASKED: Final = _N.format("asked")
_LIMIT: Final = _N.format("limit")

# Patterns stay text until the first error: compiling them costs more than importing the rest of this package, at every launch.
_FLAGS: Final = re.IGNORECASE | re.DOTALL
_WITH_FIGURES: Final = (
    # Anthropic
    rf"prompt is too long:? {_ASKED} tokens > {_LIMIT}",
    rf"exceed context limit: {_ASKED} \+ (?P<more>\d+) > {_LIMIT}",
    # vLLM, when the output limit is what does not fit
    rf"maximum context length is {_LIMIT} tokens and your request has {_ASKED} input tokens",
    # OpenAI, DeepSeek, OpenRouter, vLLM, SGLang, Azure
    rf"maximum context length (?:is|of) {_LIMIT}(?: tokens)?.*?(?:requested|resulted in|contains?|has|used)(?: about| approximately| over| at least| a total of)? {_ASKED}(?: input)? tokens",
    rf"passed {_ASKED} input tokens.*?context length is only {_LIMIT}",
    # SambaNova
    rf"maximum context length of \S+ is {_LIMIT} .*?will take {_ASKED} tokens",
    rf"maximum prompt length is {_LIMIT} but the request contains {_ASKED}",
    rf"\(length {_ASKED}\) is longer than the maximum model length of {_LIMIT}",
    rf"\(total length {_ASKED}\) is too long to fit into the model \(context length {_LIMIT}",
    rf"input length \({_ASKED}\) exceeds (?:the )?model'?s? maximum context length \({_LIMIT}\)",
    # Baseten, Poolside
    rf"input length {_ASKED} exceeds the maximum (?:allowed )?(?:input )?length (?:of )?{_LIMIT}",
    # Together, SGLang
    rf"input \({_ASKED} tokens\) is longer than the model'?s context length \({_LIMIT}",
    # TensorRT-LLM, ExLlama
    rf"prompt length \(?{_ASKED}\)? (?:exceeds maximum input length|is greater than max_seq_len) \(?{_LIMIT}",
    rf"sum of prompt length \({_ASKED}\).*?should not exceed max_num_tokens \({_LIMIT}",
    # Google
    rf"input token count is {_ASKED} but model only supports up to {_LIMIT}",
    rf"input token count \(?{_ASKED}\)? exceeds the maximum number of (?:input )?tokens allowed \(?{_LIMIT}",
    # Mistral
    rf"prompt contains {_ASKED} tokens.*?too large for model with {_LIMIT} maximum context",
    # Fireworks
    rf"prompt is too long: {_ASKED}, model maximum context length: {_LIMIT}",
    # Moonshot
    rf"exceeded model token limit:? {_LIMIT} \(requested:? {_ASKED}",
    # Bedrock
    rf"max input tokens: {_LIMIT}, request input token count: {_ASKED}",
    # llama.cpp, LM Studio
    rf"requested tokens \({_ASKED}\) exceed context window of {_LIMIT}",
    rf"requested token count \({_ASKED}\) is greater than the context length \({_LIMIT}",
    rf"slot context: {_LIMIT} tokens, prompt {_ASKED}",
    rf"prompt has {_ASKED} tokens?, but the configured context size is {_LIMIT}",
    rf"request \({_ASKED} tokens\) exceeds the available context size \({_LIMIT}",
    rf"keep the first {_ASKED} tokens when context.*?context length of only {_LIMIT}",
    # Together, text-generation-inference
    rf"must be <= {_LIMIT}\. given: {_ASKED} `?inputs`?",
    rf"must have less than {_LIMIT} tokens\. given: {_ASKED}",
    # Cohere
    rf"cannot exceed {_LIMIT} - received {_ASKED}",
    # Cerebras
    rf"current length is {_ASKED} while limit is {_LIMIT}",
    # GitHub, xAI and other gateways
    rf"(?:prompt )?token count(?: of)? {_ASKED} exceeds the (?:limit|maximum)(?: of)? {_LIMIT}",
    rf"(?:prompt|input|request) (?:has|of|with) {_ASKED} tokens.*?(?:exceeds?|limit|maximum).*?{_LIMIT} tokens",
)

_WITH_LIMIT: Final = (
    rf"maximum context length (?:is|of) {_LIMIT}",
    rf"range of input length should be \[\d+, ?{_LIMIT}\]",
    rf"exceeds? the (?:model'?s? )?(?:maximum )?context (?:window|length|size) of {_LIMIT}",
    rf"context (?:window|length) (?:is|of) (?:only )?{_LIMIT} tokens",
    rf"maximum (?:allowed )?input length (?:is|of) {_LIMIT}",
    rf"more than max tokens allowed \({_LIMIT}",
    # GitHub Models
    rf"request body too large for \S+ model\. max size: {_LIMIT} tokens",
)

_INPUT_ALONE: Final = (
    r"exceed context limit: (?P<input>\d+) \+ \d+ > ",
    r"your request has (?P<input>\d+) input tokens",
    r"passed (?P<input>\d+) input tokens",
    r"contains at least (?P<input>\d+) input tokens",
    r"given: (?P<input>\d+) `inputs` tokens",
)
"""How hosts tell the prompt apart from the answer."""
_OUTPUT_ALONE: Final = rf"{_N.format('output')}(?: tokens)? (?:in|for) the (?:output|completion)"
"""The same the other way round; what else was asked for is the prompt, in several parts at times."""
_COUNTED_OTHERWISE: Final = 64
"""Tokens by which hosts may miscount, beside a hundredth of the prompt: some only estimate."""

_WITHOUT_FIGURES: Final = "|".join((
    r"(?:input|prompt) (?:tokens )?(?:is )?too (?:long|large)",
    r"input tokens? exceeded",
    r"number of input tokens exceeds",
    r"too many input tokens",
    r"too many tokens: (?:total number|size limit)",
    r"prompt exceeds max length",
    r"input length exceeds (?:the )?(?:maximum )?context length",
    r"exceed(?:s|ed)? (?:the )?(?:available |maximum |max |model'?s? )*context (?:size|length|window|limit)",
    r"context(?: |_)(?:length|window|size|limit)(?: |_)(?:was |is |has been )?exceed(?:ed|s)",
    r"contextwindowexceeded",
    r"context window exceeds limit",
    r"exceeds? the maximum number of (?:input )?tokens",
    r"tokens to keep from the initial prompt is greater than the context length",
    r"reduce the length of (?:the|your) (?:messages|prompt|input)",
    r"input (?:or output )?(?:tokens? )?exceeds (?:the )?(?:context|token) limit",
    r"(?:larger|longer|greater) than the (?:model'?s? )?(?:maximum )?context",
    r"conversation (?:is )?too long",
    r"(?<!output )(?<!completion )tokens? (?:length |limit )(?:was |is |has been )?exceed",
    r"(?:input|prompt|messages?) (?:tokens? |length |count )+exceeds? ",
    r"tokens of image and text exceed",
    # Zhipu, Alibaba and others at home
    r"(?:prompt|输入|上下文|提示词?)[^。]{0,12}?(?:超长|过长|超限|超过|超出)",
))

_ABOUT_RATES: Final = r"(?:tokens|requests)[ _]per[ _](?:min|hour|day)|rate.?limit|quota|throttl|too many requests"
"""Words of errors that are about how much in how long, whatever else they say."""

_CODES: Final = frozenset({
    "context_length_exceeded",
    "context_window_exceeded",
    "exceed_context_size_error",
    "model_max_prompt_tokens_exceeded",
    "string_above_max_length",
    "string_too_long",
    "token_limit_exceeded",
    "tokens_limit_reached",
    "prompt_too_long",
    "context_too_large",
    "model_context_window_exceeded",
    "outofcontexterror",
    "1261",
})
"""Error codes and types, in lower case, that mean it whatever the wording. 1261 is Zhipu's."""


def overflow_in(
    text: str, codes: frozenset[str] = frozenset(), fields: dict[str, Any] | None = None
) -> Overflow | None:
    """The overflow that a host's error tells, None when it tells something else.

    `text` is the message, `codes` all of the error's codes and types, `fields` the innermost error object (llama.cpp gives
    its figures as fields of it).
    """
    said = _read(text, fields or {})
    if said is None and codes & _CODES:
        said = Overflow(None, None)
    return said


def _read(text: str, fields: dict[str, Any]) -> Overflow | None:
    if re.search(_ABOUT_RATES, text, _FLAGS):
        return None
    for pattern in _WITH_FIGURES:
        if found := re.search(pattern, text, _FLAGS):
            more = found.groupdict().get("more")
            asked, limit = _number(found["asked"]) + (_number(more) if more else 0), _number(found["limit"])
            return Overflow(asked, limit, _room(text, asked, limit))
    for pattern in _WITH_LIMIT:
        if found := re.search(pattern, text, _FLAGS):
            return Overflow(None, _number(found["limit"]))
    if re.search(_WITHOUT_FIGURES, text, _FLAGS):
        asked, limit = fields.get("n_prompt_tokens"), fields.get("n_ctx")
        return Overflow(asked if isinstance(asked, int) else None, limit if isinstance(limit, int) else None)
    return None


def _room(text: str, asked: int, limit: int) -> int | None:
    """The output tokens that fit beside the prompt, when the host told the prompt apart from the answer."""
    for pattern in _INPUT_ALONE:
        if found := re.search(pattern, text, _FLAGS):
            prompt = _number(found["input"])
            break
    else:
        found = re.search(_OUTPUT_ALONE, text, _FLAGS)
        if found is None:
            return None
        prompt = asked - _number(found["output"])
    return max(0, limit - prompt - prompt // 100 - _COUNTED_OTHERWISE)


def _number(text: str) -> int:
    """`131,072`, `131.072` and `131072.0` alike."""
    digits = re.sub(r"\D", "", re.sub(r"\.\d?$", "", text))
    return int(digits[:15] or 0)


def overflow_message(overflow: Overflow) -> str:
    """The one form that makes Claude Code compact. Figures that contradict an overflow are left out."""
    if overflow.asked and overflow.limit and overflow.asked > overflow.limit:
        return f"prompt is too long: {overflow.asked} tokens > {overflow.limit} maximum"
    return "prompt is too long"
