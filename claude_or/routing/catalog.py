"""What the host's listing says about its models: windows, limits, abilities and prices.

Decoding is permissive. The listing changes without notice, so only the identifier must be right; any other field of an
unexpected form counts as unknown, and an entry without identifier is skipped and counted. Unknown is always None: the host
writes it as 0, null, -1 or not at all. Source: OpenRouter's reference of `GET /models`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any

import msgspec

from claude_or.routing.names import ROUTING_VARIANTS, nearest_names
from claude_or.wire.events import Usage

CACHE_FORMAT = 1
BUNDLED = "bundled"
"""The source of a catalogue that came with the program: some models, as they were on some day."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """US dollars per token (per request, image or search where the name says so). None is unknown."""

    prompt: Decimal | None = None
    completion: Decimal | None = None
    input_cache_read: Decimal | None = None
    input_cache_write: Decimal | None = None
    input_cache_write_1h: Decimal | None = None
    request: Decimal | None = None
    image: Decimal | None = None
    web_search: Decimal | None = None
    internal_reasoning: Decimal | None = None


class Override(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Other rates from `min_prompt_tokens` on. `timed`: they hold at some hours only, so they are never assumed."""

    min_prompt_tokens: int = 0
    timed: bool = False
    rates: Rates = Rates()


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The listed price. A later override that applies beats an earlier one."""

    rates: Rates = Rates()
    overrides: tuple[Override, ...] = ()

    def rates_for(self, prompt_tokens: int) -> Rates:
        """The rates of a prompt of this size."""
        said = msgspec.structs.asdict(self.rates)
        for override in self.overrides:
            if not override.timed and prompt_tokens >= override.min_prompt_tokens:
                said.update({k: v for k, v in msgspec.structs.asdict(override.rates).items() if v is not None})
        return Rates(**said)

    def cost(self, usage: Usage) -> Decimal | None:
        """What an answer costs by the list; None when a rate that matters is unknown.

        An unlisted cache rate counts as the prompt's rate, which is what hosts without cache prices charge.
        """
        prompt_tokens = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
        rates = self.rates_for(prompt_tokens)
        if rates.prompt is None or rates.completion is None:
            return None
        read = rates.prompt if rates.input_cache_read is None else rates.input_cache_read
        write = rates.prompt if rates.input_cache_write is None else rates.input_cache_write
        return (
            rates.prompt * usage.input_tokens
            + read * usage.cache_read_input_tokens
            + write * usage.cache_creation_input_tokens
            + rates.completion * usage.output_tokens
            + (rates.web_search or 0) * usage.web_search_requests
            + (rates.request or 0)
        )


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a model thinks. `efforts` is None when the host names none (all are taken)."""

    mandatory: bool = False
    default_enabled: bool = False
    default_effort: str = ""
    efforts: tuple[str, ...] | None = None
    max_tokens: bool = False


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One listed model. `top_*` are the limits of the provider served first, which can be far below the model's own."""

    slug: str
    canonical_slug: str = ""
    name: str = ""
    context: int | None = None
    top_context: int | None = None
    top_max_output: int | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    reasoning: Reasoning | None = None
    price: Price = Price()
    created: int = 0
    expires: str = ""
    alias_target: str = ""

    @property
    def window(self) -> int | None:
        """Tokens that really fit: the smaller of the model's and its first provider's limit."""
        return min((n for n in (self.context, self.top_context) if n), default=None)

    @property
    def max_output(self) -> int | None:
        """Output limit of the first provider."""
        return self.top_max_output

    @property
    def tools(self) -> bool:
        """Whether some endpoint takes tools."""
        return "tools" in self.parameters

    @property
    def images(self) -> bool:
        """Whether it reads pictures."""
        return "image" in self.inputs

    @property
    def reasons(self) -> bool:
        """Whether it can think before it answers."""
        return self.reasoning is not None or "reasoning" in self.parameters

    @property
    def is_free(self) -> bool:
        """Whether the list says zero for input and output."""
        return self.price.rates.prompt == 0 and self.price.rates.completion == 0


class Catalog:
    """The listing at one moment. `fetched_at` is in seconds since the epoch, `skipped` counts unusable entries."""

    def __init__(
        self,
        models: Iterable[ModelInfo] = (),
        *,
        fetched_at: float = 0.0,
        skipped: int = 0,
        etag: str = "",
        base_url: str = "",
        source: str = "",
    ) -> None:
        self.models = tuple(models)
        self.fetched_at = fetched_at
        self.skipped = skipped
        self.etag = etag
        self.base_url = base_url
        self.source = source

    @property
    def is_bundled(self) -> bool:
        """Whether these are the facts that the program brings along: old, and of some models only."""
        return self.source == BUNDLED

    @property
    def day(self) -> str:
        """The day of these facts, as in 2026-11-10."""
        return datetime.fromtimestamp(self.fetched_at, UTC).date().isoformat()

    @cached_property
    def slugs(self) -> tuple[str, ...]:
        """Every routable slug, in the listing's order."""
        return tuple(self._by_slug)

    @cached_property
    def _by_slug(self) -> dict[str, ModelInfo]:
        return {model.slug: model for model in self.models}

    @cached_property
    def _by_canonical(self) -> dict[str, ModelInfo]:
        # A variant shares its base's permanent name; the base comes last and wins.
        variants_first = sorted(self.models, key=lambda model: ":" not in model.slug)
        return {model.canonical_slug: model for model in variants_first if model.canonical_slug}

    def get(self, slug: str) -> ModelInfo | None:
        """The model of a slug, of the permanent name that answers report, or of either with a variant or preset."""
        slug = slug.partition("@preset/")[0] or slug
        found = self._by_slug.get(slug) or self._by_canonical.get(slug)
        if found is not None:
            return found
        front, colon, variant = slug.rpartition(":")
        if not colon:
            return None
        base = self._by_canonical.get(front)
        if base is not None and (exact := self._by_slug.get(f"{base.slug.partition(':')[0]}:{variant}")):
            return exact
        return self.get(front) if variant in ROUTING_VARIANTS else None

    def nearest(self, name: str, n: int = 3) -> tuple[str, ...]:
        """Slugs like this name, best first."""
        return nearest_names(name, self.slugs, n)

    def window_of(self, slug: str) -> int | None:
        """The real window in tokens; None when unknown."""
        found = self.get(slug)
        return found.window if found else None

    def price(self, slug: str, usage: Usage) -> Decimal | None:
        """US dollars that this usage costs by the list; None when unknown."""
        found = self.get(slug)
        return found.price.cost(usage) if found else None


class _Cached(msgspec.Struct, kw_only=True):
    format: int
    fetched_at: float
    skipped: int
    etag: str
    base_url: str
    source: str
    models: list[ModelInfo]


def dump(catalog: Catalog) -> bytes:
    """The catalogue as the cache file's text."""
    return msgspec.json.encode(
        _Cached(
            format=CACHE_FORMAT,
            fetched_at=catalog.fetched_at,
            skipped=catalog.skipped,
            etag=catalog.etag,
            base_url=catalog.base_url,
            source=catalog.source,
            models=list(catalog.models),
        )
    )


def load(raw: bytes) -> Catalog | None:
    """The inverse of `dump`; None for anything that is not such a text."""
    try:
        cached = msgspec.json.decode(raw, type=_Cached)
    except msgspec.DecodeError:
        return None
    if cached.format != CACHE_FORMAT:
        return None
    return Catalog(
        cached.models,
        fetched_at=cached.fetched_at,
        skipped=cached.skipped,
        etag=cached.etag,
        base_url=cached.base_url,
        source=cached.source,
    )


class _Listing(msgspec.Struct):
    data: list[msgspec.Raw]


class _Entry(msgspec.Struct):
    """One entry as the host writes it; whatever may be of any form is `Any` and read by the functions below."""

    id: str
    canonical_slug: Any = None
    name: Any = None
    context_length: Any = None
    created: Any = None
    expiration_date: Any = None
    top_provider: Any = None
    architecture: Any = None
    pricing: Any = None
    supported_parameters: Any = None
    reasoning: Any = None
    alias_target: Any = None


_LISTING = msgspec.json.Decoder(_Listing)
_ENTRY = msgspec.json.Decoder(_Entry)


def parse_models(raw: bytes, fetched_at: float, *, etag: str = "", base_url: str = "", source: str = "") -> Catalog:
    """Parse the body of `GET /models` or `/models/user`. Raises `ValueError` when it is no listing at all."""
    models: list[ModelInfo] = []
    skipped = 0
    for entry in _entries(raw):
        try:
            decoded = _ENTRY.decode(entry)
        except (msgspec.DecodeError, RecursionError):
            skipped += 1
            continue
        if decoded.id.strip():
            models.append(_model(decoded))
        else:
            skipped += 1
    return Catalog(models, fetched_at=fetched_at, skipped=skipped, etag=etag, base_url=base_url, source=source)


def _entries(raw: bytes) -> list[msgspec.Raw]:
    try:
        return _LISTING.decode(raw).data
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _model(entry: _Entry) -> ModelInfo:
    top = mapping_of(entry.top_provider)
    architecture = mapping_of(entry.architecture)
    return ModelInfo(
        slug=entry.id.strip(),
        canonical_slug=text_of(entry.canonical_slug),
        name=text_of(entry.name),
        context=count_of(entry.context_length),
        top_context=count_of(top.get("context_length")),
        top_max_output=count_of(top.get("max_completion_tokens")),
        inputs=words_of(architecture.get("input_modalities")),
        outputs=words_of(architecture.get("output_modalities")),
        parameters=words_of(entry.supported_parameters),
        reasoning=_reasoning(entry.reasoning),
        price=_price(mapping_of(entry.pricing)),
        created=count_of(entry.created) or 0,
        expires=text_of(entry.expiration_date),
        alias_target=text_of(mapping_of(entry.alias_target).get("slug")),
    )


def _reasoning(value: Any) -> Reasoning | None:
    if not isinstance(value, dict):
        return None
    said = mapping_of(value)
    efforts = said.get("supported_efforts")
    return Reasoning(
        mandatory=said.get("mandatory") is True,
        default_enabled=said.get("default_enabled") is True,
        default_effort=text_of(said.get("default_effort")),
        efforts=words_of(efforts) if isinstance(efforts, list) else None,
        max_tokens=said.get("supports_max_tokens") is True,
    )


def _price(said: Mapping[str, Any]) -> Price:
    overrides = said.get("overrides")
    entries = [mapping_of(entry) for entry in overrides] if isinstance(overrides, list) else []
    return Price(
        rates=rates_of(said),
        overrides=tuple(
            Override(
                min_prompt_tokens=count_of(entry.get("min_prompt_tokens")) or 0,
                timed=any(entry.get(key) is not None for key in ("utc_start", "utc_end", "utc_days")),
                rates=rates_of(entry),
            )
            for entry in entries
        ),
    )


def rates_of(said: Mapping[str, Any]) -> Rates:
    """The rates of a `pricing` object."""
    return Rates(**{name: rate for name in Rates.__struct_fields__ if (rate := _rate(said.get(name))) is not None})


def _rate(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        rate = Decimal(str(value))
    except InvalidOperation:
        return None
    return rate if rate.is_finite() and rate >= 0 else None


def count_of(value: Any) -> int | None:
    """A positive whole number; 0, null and everything else mean unknown."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def text_of(value: Any) -> str:
    """A text; everything else is none."""
    return value if isinstance(value, str) else ""


def words_of(value: Any) -> tuple[str, ...]:
    """The texts of a list; everything else is none."""
    return tuple(word for word in value if isinstance(word, str)) if isinstance(value, list) else ()


def mapping_of(value: Any) -> dict[str, Any]:
    """An object; everything else is an empty one."""
    return value if isinstance(value, dict) else {}
