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
    async with plain_host(key="the-key-of-lab") as lab:
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
