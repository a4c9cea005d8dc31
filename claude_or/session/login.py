"""Logging in at OpenRouter: OAuth with PKCE, the answer caught on this machine or pasted by hand.

    verifier → challenge → browser at /auth → code → POST /auth/keys → key

OpenRouter sends no `state` back, so what proves that an answer belongs to us stands in the callback's path: a random word, compared
in constant time; every other request gets a 404. Source: OpenRouter's documentation of OAuth PKCE.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from claude_or import __version__
from claude_or.errors import EXIT_KEY, EXIT_UPSTREAM, ClaudeOrError

WAIT_S: Final = 300.0
EXCHANGE_S: Final = 20.0
MOST_BYTES: Final = 100_000
PAGE: Final = (
    "<!doctype html><meta charset=utf-8><title>claude-or</title>"
    "<body style='font-family:sans-serif;margin:4em auto;max-width:30em'>"
    "<h1>{title}</h1><p>{words}</p></body>"
)


@dataclass(frozen=True, slots=True)
class Login:
    """One login under way. `verifier` never leaves this machine before the exchange."""

    base_url: str
    verifier: str
    path: str

    @classmethod
    def begin(cls, base_url: str) -> Login:
        """A login with fresh secrets."""
        return cls(base_url, secrets.token_urlsafe(48), f"/callback/{secrets.token_urlsafe(24)}")

    @property
    def challenge(self) -> str:
        """SHA-256 of the verifier in URL-safe base64 without padding (RFC 7636)."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

    def page(self, port: int | None) -> str:
        """The address to open; without a port the page shows the code instead of sending it."""
        parts = urlsplit(self.base_url)
        asked = {"code_challenge": self.challenge, "code_challenge_method": "S256", "key_label": "claude-or"}
        if port is not None:
            asked["callback_url"] = f"http://127.0.0.1:{port}{self.path}"
        return f"{parts.scheme}://{parts.netloc}/auth?{urlencode(asked)}"


class Callback:
    """Waits on 127.0.0.1 for the browser to come back. A context manager; `port` is where."""

    def __init__(self, login: Login) -> None:
        self._found = threading.Event()
        self._code = ""
        self._trouble = ""
        self._server = HTTPServer(("127.0.0.1", 0), self._handler(login.path))
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, seconds: float = WAIT_S) -> str:
        """The code. Raises `ClaudeOrError` when none comes in time, or the page said no."""
        if not self._found.wait(seconds):
            raise ClaudeOrError(
                f"nobody came back from the browser within {seconds / 60:g} minutes",
                hint="Try again; on a machine without browser use `claude-or login --paste`.",
                exit_code=EXIT_KEY,
            )
        if self._trouble:
            raise ClaudeOrError(
                f"the login was not granted: {self._trouble}",
                hint="Try again, or paste a key: `claude-or login --key`.",
                exit_code=EXIT_KEY,
            )
        return self._code

    def _handler(self, path: str) -> type[BaseHTTPRequestHandler]:
        callback = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if not hmac.compare_digest(parts.path.encode(), path.encode()) or callback._found.is_set():
                    self._say(404, "Not found", "This address belongs to a login that is over, or to none.")
                    return
                asked = parse_qs(parts.query)
                callback._code = asked.get("code", [""])[0]
                callback._trouble = "" if callback._code else asked.get("error", ["no code came back"])[0][:200]
                if callback._trouble:
                    self._say(200, "Not logged in", "You can close this page; the terminal says more.")
                else:
                    self._say(200, "Logged in", "You can close this page and go back to the terminal.")
                callback._found.set()

            def _say(self, status: int, title: str, words: str) -> None:
                body = PAGE.format(title=title, words=words).encode()
                self.send_response(status)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.send_header("cache-control", "no-store")
                self.send_header("referrer-policy", "no-referrer")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """The code must not appear on the terminal."""

        return Handler


def exchange(login: Login, code: str) -> str:
    """The key for a code. Raises `ClaudeOrError`."""
    import json
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request

    from claude_or.upstream.plainly import opener_for, why_not

    body = {"code": code, "code_verifier": login.verifier, "code_challenge_method": "S256"}
    url = f"{login.base_url}/auth/keys"
    headers = {"content-type": "application/json", "user-agent": f"claude-or/{__version__}"}
    try:
        request = Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - the checked address of the settings
        with opener_for(url).open(request, timeout=EXCHANGE_S) as answer:
            told = json.loads(answer.read(MOST_BYTES))
    except HTTPError as error:
        error.close()
        why = (
            "the code is wrong, used or too old" if error.code == 403 else f"the host answered with status {error.code}"
        )
        raise ClaudeOrError(
            f"no key for this code: {why}",
            hint="Begin again: every attempt has a page and a code of its own.",
            exit_code=EXIT_KEY,
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        raise ClaudeOrError(
            f"no key for this code: {why_not(error, urlsplit(url).hostname or url)}",
            hint="`claude-or doctor` says more about the way to the host.",
            exit_code=EXIT_UPSTREAM,
        ) from None
    key = told.get("key") if isinstance(told, dict) else None
    if not isinstance(key, str) or not key:
        raise ClaudeOrError(
            "the host's answer held no key", hint="Paste one: `claude-or login --key`.", exit_code=EXIT_KEY
        )
    return key
