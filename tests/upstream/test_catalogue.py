"""The listing between host and cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from claude_or.routing.catalog import Catalog, ModelInfo, Price, Rates, load, parse_models
from claude_or.routing.names import DEFAULT_SLUGS
from claude_or.upstream.catalogue import (
    BUNDLED_FILE,
    FILE,
    Answer,
    Unreachable,
    best_known,
    bundled,
    is_stale,
    read_catalog,
    refresh,
    write_catalog,
)
from claude_or.upstream.windows import FILE as WINDOWS_FILE
from claude_or.upstream.windows import limits_of, prices_of, read_windows
from tests.snapshot import EACH, facts, text_of

HOST = "https://host.example/api/v1"


def listing(*slugs: str) -> bytes:
    return msgspec.json.encode({"data": [{"id": slug, "context_length": 1000, "top_provider": {}} for slug in slugs]})


class Host:
    """Answers GET requests from a table and remembers what was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    async def get(self, path: str, headers: Mapping[str, str]) -> Answer:
        self.asked.append((path, headers.get("if-none-match", "")))
        return self.answers["user" if path == "/models/user" else "all"]


async def test_with_a_key_the_accounts_own_listing_is_asked(tmp_path: Path) -> None:
    host = Host(user=Answer(200, {}, listing("a/mine")))
    assert (await refresh(host.get, str(tmp_path), HOST, 5.0, with_key=True)).slugs == ("a/mine",)
    assert host.asked == [("/models/user", "")]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_an_account_without_a_listing_gets_the_public_one(tmp_path: Path, status: int) -> None:
    host = Host(user=Answer(status), all=Answer(200, {}, listing("a/all")))
    catalog = await refresh(host.get, str(tmp_path), HOST, 5.0, with_key=True)
    assert (catalog.slugs, catalog.source) == (("a/all",), "/models")


async def test_without_a_key_only_the_public_listing_is_asked(tmp_path: Path) -> None:
    host = Host(all=Answer(200, {}, listing("a/all")))
    await refresh(host.get, str(tmp_path), HOST, 5.0, with_key=False)
    assert host.asked == [("/models", "")]


async def test_an_unchanged_listing_is_not_sent_again_and_counts_as_fresh(tmp_path: Path) -> None:
    first = Host(all=Answer(200, {"etag": '"v1"'}, listing("a/b")))
    await refresh(first.get, str(tmp_path), HOST, 5.0, with_key=False)
    second = Host(all=Answer(304))
    catalog = await refresh(second.get, str(tmp_path), HOST, 9.0, with_key=False)
    assert second.asked == [("/models", '"v1"')]
    assert (catalog.slugs, catalog.fetched_at) == (("a/b",), 9.0)
    cached = read_catalog(str(tmp_path), HOST)
    assert cached
    assert cached.fetched_at == 9.0


async def test_the_mark_of_one_listing_is_not_used_for_another(tmp_path: Path) -> None:
    first = Host(all=Answer(200, {"etag": '"v1"'}, listing("a/b")))
    await refresh(first.get, str(tmp_path), HOST, 5.0, with_key=False)
    second = Host(user=Answer(200, {}, listing("a/c")))
    await refresh(second.get, str(tmp_path), HOST, 6.0, with_key=True)
    assert second.asked == [("/models/user", "")]


@pytest.mark.parametrize(
    "answer", [Answer(500), Answer(200, {}, b"<html>"), Answer(200, {}, b'{"data":[]}'), Answer(304), Answer(302)]
)
async def test_what_is_no_listing_leaves_the_cache_as_it_was(tmp_path: Path, answer: Answer) -> None:
    write_catalog(str(tmp_path), Catalog([ModelInfo(slug="a/old")], fetched_at=1.0, base_url=HOST))
    with pytest.raises(Unreachable, match="/models was answered"):
        await refresh(Host(all=answer).get, str(tmp_path), HOST, 5.0, with_key=False)
    cached = read_catalog(str(tmp_path), HOST)
    assert cached
    assert cached.slugs == ("a/old",)


async def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    host = Host(all=Answer(200, {}, listing("a/b")))
    catalog = await refresh(host.get, str(blocked / "below"), HOST, 5.0, with_key=False)
    assert catalog.slugs == ("a/b",)


def test_the_cache_is_the_users_own_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    folder = tmp_path / "new/cache"
    write_catalog(str(folder), Catalog([ModelInfo(slug="a/b")], base_url=HOST))
    assert sorted(os.listdir(folder)) == sorted([FILE, WINDOWS_FILE])
    assert {(folder / name).stat().st_mode & 0o777 for name in (FILE, WINDOWS_FILE)} == {0o600}


def test_the_cache_of_another_host_and_a_damaged_one_count_as_none(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert read_catalog(folder, HOST) is None
    write_catalog(folder, Catalog([ModelInfo(slug="a/b")], base_url=HOST))
    assert read_catalog(folder, "https://other.example/v1") is None
    assert read_windows(os.path.join(folder, WINDOWS_FILE), "https://other.example/v1") == {}
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-20])
    assert read_catalog(folder, HOST) is None


def test_a_listing_is_stale_after_a_day_and_when_it_comes_from_the_future() -> None:
    assert [is_stale(Catalog(fetched_at=100.0), now) for now in (100.0, 100.0 + 86_400, 100.0 + 86_401, 99.0)] == [
        False,
        False,
        True,
        True,
    ]
    assert is_stale(None, 0.0)


def test_the_windows_beside_the_listing_give_the_same_limits(tmp_path: Path) -> None:
    models = [
        ModelInfo(
            slug="a/small",
            context=1000,
            top_context=500,
            top_max_output=100,
            price=Price(rates=Rates(prompt=Decimal("0.00000025"), completion=Decimal("0.00001"))),
        ),
        ModelInfo(slug="a/unknown"),
        ModelInfo(slug="a/b:free", context=7, price=Price(rates=Rates(prompt=Decimal(0), completion=Decimal(0)))),
        ModelInfo(slug="not a slug", context=7),
    ]
    write_catalog(str(tmp_path), Catalog(models, base_url=HOST))
    windows = read_windows(str(tmp_path / WINDOWS_FILE), HOST)
    assert windows == {
        "a/small": (500, 100, "0.25", "10"),
        "a/unknown": (None, None, "", ""),
        "a/b:free": (7, None, "0", "0"),
    }
    asked = ("a/small:nitro", "a/small@preset/x", "a/b", "a/b:free", "x/y")
    assert [limits_of(windows, slug)[0] for slug in asked] == [500, 500, None, 7, None]
    assert [prices_of(windows, slug)[0] for slug in asked] == ["0.25", "0.25", "", "0", ""]


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe", b"something else\na/b 1 2", b"claude-or windows 2 x\na/b\n c d\na/b x y ? ?"]
)
def test_damaged_windows_are_no_windows(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / WINDOWS_FILE
    path.write_bytes(raw)
    assert read_windows(str(path)) == {}


def test_the_facts_in_the_wheel_can_be_read_and_cover_the_default_models() -> None:
    catalog = bundled()
    assert catalog
    assert all(catalog.window_of(slug) for slug in DEFAULT_SLUGS.values())
    assert (catalog.is_bundled, catalog.skipped, catalog.day >= "2026-11-10") == (True, 0, True)
    assert all(model.tools and model.slug for model in catalog.models)


def test_the_facts_in_the_wheel_are_facts_alone_and_what_the_documented_command_writes() -> None:
    catalog = bundled()
    assert catalog
    assert {model.name for model in catalog.models} == {""}
    assert Path(BUNDLED_FILE).read_bytes() == text_of(facts(catalog))


@pytest.mark.parametrize("damage", [None, b"", b"{", b"[]", b'{"format":0}', b"\xff\xfe\x00"])
def test_without_a_good_cache_the_facts_in_the_wheel_serve_and_count_as_old(
    tmp_path: Path, damage: bytes | None
) -> None:
    if damage is not None:
        (tmp_path / FILE).write_bytes(damage)
    catalog = best_known(str(tmp_path), HOST)
    assert catalog
    assert (catalog.is_bundled, is_stale(catalog, catalog.fetched_at)) == (True, True)


def test_an_old_cache_is_preferred_to_the_facts_in_the_wheel(tmp_path: Path) -> None:
    write_catalog(str(tmp_path), Catalog([ModelInfo(slug="a/b")], fetched_at=5.0, base_url=HOST))
    catalog = best_known(str(tmp_path), HOST)
    assert catalog
    assert catalog.slugs == ("a/b",)


async def test_the_facts_in_the_wheel_never_get_into_the_cache(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        await refresh(Host(all=Answer(304)).get, str(tmp_path), HOST, 9.0, with_key=False)
    assert list(tmp_path.iterdir()) == []


def test_the_command_keeps_the_aliases_and_the_newest_models_that_take_tools() -> None:
    def entry(slug: str, *, created: int = 0, **more: object) -> dict[str, object]:
        return {"id": slug, "name": "A name", "created": created, "supported_parameters": ["tools"], **more}

    night = {"prompt": "1", "completion": "1", "overrides": [{"utc_start": "1", "prompt": "0.5"}]}
    listing = {
        "data": [
            entry("~acme/one-latest"),
            entry("acme/unknown-author"),
            entry("openai/free", pricing={"prompt": "0", "completion": "0"}),
            entry("openai/gpt:nitro"),
            {"id": "openai/no-tools"},
            *(entry(f"openai/gpt-{n:02}", created=n, description="Words.", pricing=night) for n in range(EACH + 1)),
        ]
    }
    kept = facts(parse_models(msgspec.json.encode(listing), 5.0))
    assert kept.slugs == (*(f"openai/gpt-{n:02}" for n in range(1, EACH + 1)), "~acme/one-latest")
    assert not any(model.price.overrides for model in kept.models)
    again = load(text_of(kept))
    assert again
    assert again.models == kept.models
