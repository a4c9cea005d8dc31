"""Single requests: what is said when they fail, and that none outlives its limit."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from claude_or.upstream.catalogue import Answer, Unreachable
from claude_or.upstream.probe import probing
from tests.cli.host import hosting

SECRET = "sk-or-v1-0123456789abcdef"


def get(base_url: str, path: str = "/key", timeout_s: float = 5.0) -> Answer:
    """One request in a loop of its own, as a command does it."""

    async def ask() -> Answer:
        async with probing(base_url, SECRET, timeout_s=timeout_s) as get:
            return await get(path, {"x-more": "1"})

    return asyncio.run(ask())


def trouble(base_url: str, **more: Any) -> str:
    with pytest.raises(Unreachable) as caught:
        get(base_url, **more)
    return str(caught.value)


def test_a_whole_answer_comes_back_whatever_its_status() -> None:
    with hosting() as host:
        host.answers["/key"] = (418, b"short")
        answer = get(host.url)
    assert (answer.status, answer.body, answer.headers["content-length"]) == (418, b"short", "5")
    assert host.asked == [("/key", f"Bearer {SECRET}")]


def test_a_silent_name_server_does_not_hold_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def silent(*_: Any, **__: Any) -> Any:
        answered.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    started = time.monotonic()
    try:
        said = trouble("https://host.invalid/v1", timeout_s=0.5)
    finally:
        answered.set()
    assert time.monotonic() - started < 40
    assert said == "host.invalid gave no answer within 0.5 s"


def test_an_unknown_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert trouble("https://host.invalid/v1") == "the name host.invalid could not be looked up"


def test_a_closed_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert trouble(f"http://127.0.0.1:{port}/v1") == "127.0.0.1 cannot be reached (connection refused)"


def test_a_host_without_tls_where_tls_is_expected_is_told() -> None:
    with hosting() as host:
        assert "127.0.0.1" in trouble(host.url.replace("http://", "https://"))


def test_a_connection_that_breaks_off_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        said = trouble(f"http://127.0.0.1:{server.getsockname()[1]}/v1")
        thread.join()
    assert said == "the connection to 127.0.0.1 broke off"


def test_an_answer_without_end_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("claude_or.upstream.probe.MAX_BYTES", 10)
    with hosting() as host:
        host.answers["/key"] = (200, b"x" * 1000)
        assert "larger than" in trouble(host.url)


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with hosting() as host:
        assert get(host.url).status == 200


def test_a_proxy_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    said = trouble("https://host.invalid/v1")
    assert said.startswith("the proxy named in the environment (127.0.0.1:")
    assert "could not be used" in said
