"""Logging in, against an authorisation server that checks the proof as OpenRouter does."""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme

from claude_or.cli.login import Person, login, logout
from claude_or.config.schema import OpenRouter, Settings
from claude_or.errors import ClaudeOrError
from claude_or.session.keys import key_of
from claude_or.session.login import Callback, Login, exchange

KEY = "sk-or-v1-" + "ab" * 32


class Authority:
    """Gives codes for challenges and keys for codes, each once."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}
        self.accepts = True
        self.last: Any = None
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                authority.last = body
                digest = hashlib.sha256(body["code_verifier"].encode()).digest()
                challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
                good = body["code_challenge_method"] == "S256" and authority.codes.pop(body["code"], None) == challenge
                self._say(200, {"key": KEY, "user_id": "u"}) if good else self._say(403, {"error": {"code": 403}})

            def do_GET(self) -> None:
                good = authority.accepts and self.headers["authorization"] == f"Bearer {KEY}"
                self._say(200, {"data": {"limit": 10, "limit_remaining": 9}}) if good else self._say(401, {})

            def _say(self, status: int, value: Any) -> None:
                raw = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_address[1]}/api/v1"

    def allow(self, page: str) -> str:
        """What a person does in the browser: the code, which also goes to the callback when there is one."""
        parts = urlsplit(page)
        assert parts.path == "/auth"
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked["code_challenge"]
        if "callback_url" in asked:
            assert asked["callback_url"].startswith("http://127.0.0.1:")
            with urllib.request.urlopen(f"{asked['callback_url']}?code={code}") as answer:
                assert b"Logged in" in answer.read()
        return code


@pytest.fixture
def authority() -> Iterator[Authority]:
    found = Authority()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()


def person(authority: Authority, *, browser: bool = True, typed: str = "") -> tuple[Person, list[str]]:
    said: list[str] = []
    pages: list[str] = []

    def open_page(url: str) -> bool:
        if browser:
            threading.Thread(target=authority.allow, args=(url,)).start()
        return browser

    def ask(words: str) -> str:
        said.append(words)
        pages.extend(word for text in said for word in text.split() if "/auth?" in word)
        return typed or authority.allow(pages[-1])

    return Person(open_page, ask, lambda _words: typed or KEY, said.append), said


def settings(authority: Authority) -> Settings:
    return Settings(openrouter=OpenRouter(base_url=authority.base_url))


@pytest.mark.parametrize("way", ["browser", "paste", "key"])
def test_every_way_ends_with_a_tried_and_kept_key(authority: Authority, tmp_path: Path, way: Any):
    environ = {"HOME": str(tmp_path)}
    who, said = person(authority)
    result = login(way, environ, settings(authority), who, 0.0, in_file=True)
    assert key_of(environ, settings(authority)).value == KEY
    shown = str(result) + str(said)
    assert KEY not in shown
    assert "$9.00 of $10.00 left" in shown
    assert logout(environ).data == {"removed": True}
    assert logout(environ).data == {"removed": False}


def test_over_ssh_the_code_is_pasted_because_the_browser_is_elsewhere(authority: Authority, tmp_path: Path):
    who, said = person(authority)
    environ = {"HOME": str(tmp_path), "SSH_CONNECTION": "1 2 3 4"}
    login("browser", environ, settings(authority), who, 0.0, in_file=True)
    assert any("callback_url" not in text and "/auth?" in text for text in said)


def test_a_key_that_the_host_refuses_is_not_kept(authority: Authority, tmp_path: Path):
    authority.accepts = False
    who, _ = person(authority)
    with pytest.raises(ClaudeOrError) as caught:
        login("key", {"HOME": str(tmp_path)}, settings(authority), who, 0.0, in_file=True)
    assert "refuses this key" in caught.value.message
    assert not list(tmp_path.rglob("key.json"))


def test_a_wrong_code_and_a_used_one_are_told(authority: Authority, tmp_path: Path):
    who, _ = person(authority, typed="wrong")
    with pytest.raises(ClaudeOrError) as caught:
        login("paste", {"HOME": str(tmp_path)}, settings(authority), who, 0.0)
    assert "wrong, used or too old" in caught.value.message
    under_way = Login.begin(authority.base_url)
    code = authority.allow(under_way.page(None))
    assert exchange(under_way, code) == KEY
    with pytest.raises(ClaudeOrError):
        exchange(under_way, code)


def test_a_code_for_another_login_gives_nothing(authority: Authority):
    mine, other = Login.begin(authority.base_url), Login.begin(authority.base_url)
    code = authority.allow(other.page(None))
    with pytest.raises(ClaudeOrError):
        exchange(mine, code)


def test_a_company_that_opens_connections_is_trusted_where_the_user_says_so(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    company = trustme.CA()
    company.cert_pem.write_to_path(str(tmp_path / "company.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    company.issue_cert("127.0.0.1").configure_cert(context)
    authority.server.socket = context.wrap_socket(authority.server.socket, server_side=True)
    authority.base_url = authority.base_url.replace("http:", "https:")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("NODE_EXTRA_CA_CERTS", raising=False)
    environ = {"HOME": str(tmp_path)}
    with pytest.raises(ClaudeOrError) as caught:
        login("paste", environ, settings(authority), person(authority)[0], 0.0, in_file=True)
    assert "the certificate of 127.0.0.1 is not trusted" in caught.value.message
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(tmp_path / "company.pem"))
    result = login("paste", environ, settings(authority), person(authority)[0], 0.0, in_file=True)
    assert "$9.00 of $10.00 left" in str(result)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:9", "127.0.0.1 cannot be reached (connection refused)"),
        ("https://no-such-host.invalid", "the name no-such-host.invalid could not be looked up"),
    ],
)
def test_a_host_that_is_not_there_is_told_in_words(address: str, words: str):
    with pytest.raises(ClaudeOrError) as caught:
        exchange(Login.begin(f"{address}/api/v1"), "a-code")
    assert words in caught.value.message
    assert "claude-or doctor" in caught.value.hint


def test_only_the_secret_path_is_answered_and_only_once():
    login_ = Login.begin("http://127.0.0.1:1/api/v1")
    with Callback(login_) as callback:
        base = f"http://127.0.0.1:{callback.port}"
        for path in ("/", "/callback/", "/callback/guess?code=stolen", login_.path + "x?code=stolen"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(base + path)
            assert caught.value.code == 404
            caught.value.close()
        urllib.request.urlopen(f"{base}{login_.path}?code=right").close()
        assert callback.wait(5) == "right"
        with pytest.raises(urllib.error.HTTPError) as late:
            urllib.request.urlopen(f"{base}{login_.path}?code=late")
        late.value.close()
        assert callback.wait(0) == "right"


def test_a_refusal_in_the_browser_and_a_silence_are_told():
    login_ = Login.begin("http://127.0.0.1:1/api/v1")
    with Callback(login_) as callback:
        with pytest.raises(ClaudeOrError) as silent:
            callback.wait(0.01)
        assert "--paste" in silent.value.hint
        urllib.request.urlopen(f"http://127.0.0.1:{callback.port}{login_.path}?error=access_denied").close()
        with pytest.raises(ClaudeOrError) as refused:
            callback.wait(5)
        assert "access_denied" in refused.value.message


def test_the_verifier_is_long_fresh_and_not_in_the_page():
    one, other = Login.begin("https://openrouter.ai/api/v1"), Login.begin("https://openrouter.ai/api/v1")
    assert 43 <= len(one.verifier) <= 128
    assert one.verifier != other.verifier
    assert one.verifier not in one.page(5)
    assert one.page(5).startswith("https://openrouter.ai/auth?")
