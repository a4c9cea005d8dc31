"""Doctor on a set-up that asks other hosts."""

from __future__ import annotations

from claude_or.cli.own_hosts import check_own_host
from claude_or.config.schema import Models, Provider, ProviderModel, Settings
from tests.fakes.plain_host import plain_host


def settings(**fields: object) -> Settings:
    """All roles on `lab`."""
    return Settings(models=Models(big="lab:tiny"), providers={"lab": Provider(**fields)})  # type: ignore[arg-type]


async def told(said: Settings, **environ: str) -> list[tuple[str, str]]:
    """Level and text of what is found."""
    return [(finding.level, finding.text) for finding in await check_own_host("lab", said, environ)]


async def test_a_host_that_answers_and_whose_window_is_known_is_well() -> None:
    async with plain_host(key="the-key-of-lab", models=[{"id": "tiny"}]) as lab:
        models = {"tiny": ProviderModel(context_window=8_000)}
        said = settings(base_url=lab.base_url, key_variable="LAB", models=models)
        ((level, text),) = await told(said, LAB="the-key-of-lab")
        assert (level, text.startswith("lab (127.0.0.1:")) == ("ok", True)
        assert (await told(said, LAB="another"))[-1] == ("error", "the key was refused (status 401)")
        assert (await told(said))[-1] == ("error", "no key for lab: LAB is not set")


async def test_a_host_that_is_not_there_and_a_window_that_nobody_told_are_named() -> None:
    found = await told(settings(base_url="http://127.0.0.1:9/v1"))
    assert [level for level, _ in found] == ["warn", "error"]
    assert "the window of tiny is not known" in found[0][1]
    assert "lab (127.0.0.1:9)" in found[1][1]


async def test_what_the_host_says_of_its_models_is_compared_with_the_configuration() -> None:
    listed = [{"id": "tiny:latest", "max_model_len": 32_768}, {"id": "other"}, {"id": 5}, "odd"]
    async with plain_host(models=listed) as lab:
        unknown = await check_own_host("lab", settings(base_url=lab.base_url), {})
        assert "to 32768, as the host says" in unknown[0].fix
        models = {"tiny": ProviderModel(context_window=131_072)}
        larger = await told(settings(base_url=lab.base_url, models=models))
        assert larger[0] == (
            "warn",
            "the window of tiny is 32768 by the host's own word, and 131072 in the configuration",
        )
        fits = {"tiny": ProviderModel(context_window=32_768)}
        assert [level for level, _ in await told(settings(base_url=lab.base_url, models=fits))] == ["ok"]


async def test_a_model_that_the_host_does_not_list_is_named_with_the_nearest() -> None:
    known = {"tiny": ProviderModel(context_window=8_000)}
    async with plain_host(models=[{"id": "tinny"}, {"id": "other"}]) as lab:
        first, _ = await check_own_host("lab", settings(base_url=lab.base_url, models=known), {})
        assert (first.level, first.text) == ("warn", "tiny is not among the models that it lists (2)")
        assert first.fix == "Did you mean lab:tinny?"
        # A server of one model often answers to any name.
        lab.models = [{"id": "/models/file.gguf", "meta": {"n_ctx": 4096}}]
        first, _ = await check_own_host("lab", settings(base_url=lab.base_url, models=known), {})
        assert (first.level, first.fix) == ("note", "It may have to be loaded there first.")
        dated = settings(base_url=lab.base_url, models=known, kind="anthropic")
        assert [level for level, _ in await told(dated)] == ["ok"]
        lab.models = []
        assert [level for level, _ in await told(settings(base_url=lab.base_url, models=known))] == ["ok"]
