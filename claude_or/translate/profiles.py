"""What a model family can and cannot do, as data.

Every quirk of a family is a field of `ModelProfile`, every family a row of `_FAMILIES`. What the host's listing says about a
model beats the row. No other module may know a model's name: it asks the profile. A family is found by the author in front
of the slug's `/`, else (models of local hosts have none) by how the name begins.
Sources: OpenRouter's documentation and the fixes in its own client, field reports on single families.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

SchemaStyle = Literal["plain", "gemini"]
"""Which keywords of JSON schema the family's hosts take."""

IdStyle = Literal["any", "nine"]
"""Which tool-call ids are taken: any, or exactly nine letters and digits."""

SystemStyle = Literal["in_place", "reminder"]
"""A system message in the middle stays one, or becomes user text, because only a leading one is taken."""


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the host's listing says about one model. None is "not said".

    `context` and `max_output` are in tokens, `inputs` the input modalities (`text`, `image`, `file`), `parameters` the
    `supported_parameters`. `reasons` is False where the listing has no reasoning object; the `efforts` are as listed.
    """

    context: int | None = None
    max_output: int | None = None
    inputs: frozenset[str] | None = None
    parameters: frozenset[str] | None = None
    reasons: bool | None = None
    mandatory_reasoning: bool = False
    efforts: tuple[str, ...] | None = None
    reasoning_budget: bool | None = None


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True):
    """How to talk to one model on one host."""

    family: str = "other"

    # What the host takes.
    openrouter: bool = True
    """The host takes OpenRouter's own fields (`provider`, `session_id`, `reasoning`, file parts)."""
    explicit_cache: bool = False
    """`cache_control` marks are honoured; text then always travels as parts, so that a mark may move without a change of shape."""
    tool_marks: bool = False
    """`cache_control` is honoured on tool definitions too."""
    system: SystemStyle = "in_place"
    ids: IdStyle = "any"
    schema: SchemaStyle = "plain"
    max_tools: int | None = None
    deferral: bool = True
    """Deferred tools wait until the history names them; False offers all at once (models that never search)."""
    min_output: int = 1
    """Smallest `max_tokens` that is taken."""
    max_stops: int = 4

    stream_options: bool = True
    """The host takes the field that asks for usage in a stream."""
    output_field: str = "max_tokens"
    """What the host calls the output limit."""
    refused: frozenset[str] = frozenset()
    """Parameters that a host objects to although its models could use them."""

    # What the model can do. None is unknown and is treated as yes.
    images: bool | None = None
    files: bool = True
    parameters: frozenset[str] | None = None
    context: int | None = None
    max_output: int | None = None

    # Reasoning.
    reasons: bool | None = None
    mandatory_reasoning: bool = False
    budget: bool = False
    """Thinking is limited in tokens (`reasoning.max_tokens`), not by effort."""
    efforts: tuple[str, ...] | None = None
    """Levels that are taken; None is all."""
    reasoning_content: bool = False
    """Each assistant message with tool calls must bring `reasoning_content`, at least an empty one."""
    signed_formats: frozenset[str] = frozenset({"anthropic-claude-v1", "google-gemini-v1"})
    """Formats whose readable reasoning is refused without a signature; an empty name stands for "no format"."""

    # On an endpoint that speaks the Messages API.
    own_blocks: bool = False
    """Signed thinking, deferred tools and references to tools are the model's own; for others they are written out."""
    betas: bool = True
    """The client's `anthropic-beta` is passed on."""
    takes_thinking: bool = True
    """`thinking` and `output_config.effort` are taken as the client writes them."""

    token_factor: float = 1.0
    """Tokens of this family's tokenizer per token of the plain estimate."""

    def takes(self, parameter: str) -> bool:
        """Whether the model takes this request parameter, as far as is known."""
        return parameter not in self.refused and (self.parameters is None or parameter in self.parameters)


_UNSIGNED_CLAUDE: Final = frozenset({"anthropic-claude-v1", "google-gemini-v1", ""})
_USUAL_EFFORTS: Final = ("xhigh", "high", "medium", "low")
"""For models that nobody listed: no host refuses these, and "max" is known to few."""

_FAMILIES: Final[dict[str, dict[str, Any]]] = {
    "anthropic": {
        "explicit_cache": True,
        "tool_marks": True,
        "system": "reminder",
        "budget": True,
        "signed_formats": _UNSIGNED_CLAUDE,
        "own_blocks": True,
        "token_factor": 1.12,
    },
    "openai": {"max_tools": 128, "min_output": 16},
    "google": {
        "explicit_cache": True,
        "system": "reminder",
        "schema": "gemini",
        "budget": True,
        "signed_formats": _UNSIGNED_CLAUDE,
        "betas": False,
        "takes_thinking": False,
        "token_factor": 1.04,
    },
    "x-ai": {"max_tools": 128},
    "deepseek": {"max_tools": 128, "reasoning_content": True, "token_factor": 1.09},
    "moonshotai": {"max_tools": 128, "reasoning_content": True},
    "z-ai": {},
    "qwen": {"explicit_cache": True, "budget": True, "token_factor": 1.06},
    "minimax": {},
    "mistralai": {"ids": "nine", "system": "reminder", "max_tools": 128, "token_factor": 1.09},
    "meta": {},
    "other": {},
}

_AUTHORS: Final = {
    "meta-llama": "meta",
    "thudm": "z-ai",
    "zhipuai": "z-ai",
    "zai-org": "z-ai",
    "moonshot": "moonshotai",
    "xai": "x-ai",
    "mistral": "mistralai",
    "alibaba": "qwen",
    "gemini": "google",
    "vertex_ai": "google",
    "bedrock": "anthropic",
}
"""Authors that write themselves differently on different hosts."""

_STEMS: Final = (
    ("claude", "anthropic"),
    ("gpt-", "openai"),
    ("chatgpt", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("gemini", "google"),
    ("gemma", "google"),
    ("grok", "x-ai"),
    ("deepseek", "deepseek"),
    ("kimi", "moonshotai"),
    ("moonshot", "moonshotai"),
    ("glm", "z-ai"),
    ("qwen", "qwen"),
    ("qwq", "qwen"),
    ("minimax", "minimax"),
    ("mistral", "mistralai"),
    ("mixtral", "mistralai"),
    ("ministral", "mistralai"),
    ("devstral", "mistralai"),
    ("codestral", "mistralai"),
    ("magistral", "mistralai"),
    ("llama", "meta"),
)
"""How names begin where no known author stands in front."""


def family_of(slug: str) -> str:
    """The family a slug belongs to, `other` when it is none that has quirks."""
    author, slash, name = slug.lower().lstrip("~").rpartition("/")
    author = author.rpartition("/")[2]
    if slash:
        author = _AUTHORS.get(author, author)
        if author in _FAMILIES:
            return author
    return next((family for stem, family in _STEMS if name.startswith(stem)), "other")


_PLAIN_HOST: Final[dict[str, Any]] = {
    "openrouter": False,
    "explicit_cache": False,
    "tool_marks": False,
    "budget": False,
    "files": False,
    "system": "reminder",
    "refused": frozenset({"top_k"}),
}
"""What changes on a host that speaks chat completions and nothing more. Chat templates of open models often take no system
message but the first, and strict hosts refuse a parameter that the original API does not have."""


def profile_for(
    slug: str, facts: ModelFacts | None, *, openrouter: bool = True, host: Mapping[str, Any] | None = None
) -> ModelProfile:
    """The profile of one model: its family's row, overruled by what the listing says.

    `openrouter` is False for a host that only speaks plain chat completions (a local server, another provider); `host` are
    fields in which such a host differs from others.
    """
    family = family_of(slug)
    fields: dict[str, Any] = {"family": family, "efforts": _USUAL_EFFORTS, **_FAMILIES[family]}
    if not openrouter:
        fields |= {**_PLAIN_HOST, **(host or {})}
    if facts is not None:
        fields |= _said(facts)
    return ModelProfile(**fields)


def _said(facts: ModelFacts) -> dict[str, Any]:
    fields: dict[str, Any] = {"context": facts.context, "max_output": facts.max_output, "parameters": facts.parameters}
    if facts.inputs is not None:
        fields["images"] = "image" in facts.inputs
    if facts.reasons is not None:
        fields["reasons"] = facts.reasons
        fields["mandatory_reasoning"] = facts.mandatory_reasoning
        # The listing writes "all" by naming none.
        fields["efforts"] = facts.efforts
    if facts.reasoning_budget is not None:
        fields["budget"] = facts.reasoning_budget
    return fields
