"""Behind a company's proxy and certificate authority: a session and the doctor reach the host, loopback never goes that way."""

from __future__ import annotations

import base64
import json

import pytest

from tests.fakes.company import NAME, PASSWORD, USER, company
from tests.stories.conftest import Done, World

CREDENTIALS = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


async def examined(world: World, environ: dict[str, str], **more: str) -> Done:
    return await world.run(args=("doctor", "--json"), under=(), **(environ | {"CLAUDE_OR_CLAUDE": "/bin/true"} | more))


@pytest.mark.parametrize("variable", ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"])
async def test_a_session_goes_through_the_proxy_and_trusts_the_company(world: World, variable: str) -> None:
    async with company(world.host, world.folder) as network:
        environ = {**network.environ, variable: network.authority, "LOG_LEVEL": "debug"}
        done = await world.run(["ask"], args=("-p", "hi"), under=(), **environ)

    assert "Hello from the host." in done.out, done.err
    assert done.code == 0
    assert {target for target, _ in network.connects} == {f"{NAME}:443"}, "loopback went through the proxy"
    assert {given for _, given in network.connects} == {CREDENTIALS}
    kept = [path.read_bytes() for path in (world.home / ".local/state").rglob("*") if path.is_file()]
    assert kept
    assert PASSWORD.encode() not in b"".join(kept)
    assert PASSWORD not in done.out + done.err
    assert CREDENTIALS.removeprefix("Basic ") not in done.out + done.err


async def test_the_doctor_reaches_the_host_too(world: World) -> None:
    async with company(world.host, world.folder) as network:
        done = await examined(world, network.environ, NODE_EXTRA_CA_CERTS=network.authority)

    levels = {finding["check"]: finding["level"] for finding in json.loads(done.out)["findings"]}
    assert (levels["host"], levels["key"]) == ("ok", "ok"), done.out
    assert PASSWORD not in done.out + done.err


async def test_without_the_companys_authority_the_certificate_is_named(world: World) -> None:
    async with company(world.host, world.folder) as network:
        done = await examined(world, network.environ)

    (finding,) = [found for found in json.loads(done.out)["findings"] if found["check"] == "host"]
    assert finding["level"] == "error"
    assert "certificate" in finding["text"]
    assert PASSWORD not in done.out + done.err


async def test_an_exception_from_the_proxy_is_honoured(world: World) -> None:
    async with company(world.host, world.folder) as network:
        done = await examined(world, network.environ, NO_PROXY=".test")

    assert network.connects == []
    assert PASSWORD not in done.out + done.err
