"""Models that LiteLLM reaches (`litellm:bedrock/…`), as one more host of chat completions: a process of our own on 127.0.0.1.

It is started by the first request, since it takes seconds and some 200 MB, and started again by the next one when it died. We
hold the listening socket, so the address outlives the process. It gets the environment variables that the configuration names and
nothing else of the user's; the guardian ends it, should we be killed, and so does the end of its standard input.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Final, Self

import aiohttp

from claude_or.config.schema import Limits
from claude_or.log import get_log
from claude_or.routing.ask import ReplyFailed
from claude_or.upstream.openrouter import ATTRIBUTION, OpenRouter
from claude_or.wire.anthropic import Failure

TOKEN_VARIABLE: Final = "CLAUDE_OR_LITELLM_TOKEN"
WORKER: Final = "claude_or.upstream.litellm_worker"
INSTALL: Final = "`uv tool install 'claude-or[litellm]'`, or `pip install 'claude-or[litellm]'`"
START_S: Final = 90.0
"""Loading LiteLLM took 6 s of one busy core; a cold disk makes it many times that."""
END_S: Final = 2.0

USUAL: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
OWN: Final = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_OFFLINE_MODE": "true",
    # Otherwise every `.env` of the working folder is read.
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_LOG": "CRITICAL",
    "OR_SITE_URL": ATTRIBUTION["HTTP-Referer"],
    "OR_APP_NAME": ATTRIBUTION["X-OpenRouter-Title"],
    "PYTHONUNBUFFERED": "1",
}

_log = get_log("litellm")


def missing() -> str:
    """Why LiteLLM cannot be asked from this installation; empty when it can."""
    return "" if find_spec("litellm") else f"LiteLLM is not installed here. Install it with {INSTALL}"


def worker_environment(environ: Mapping[str, str], variables: Sequence[str], token: str) -> dict[str, str]:
    """What the worker may see: what any program needs, and the variables that the configuration names."""
    proxies = [name for upper in PROXIES for name in (upper, upper.lower())]
    kept = {name: environ[name] for name in (*USUAL, *proxies, *variables) if name in environ}
    return {**kept, **OWN, TOKEN_VARIABLE: token}


class LiteLlm(OpenRouter):
    """The host. `variables` name what of `environ` the worker gets, `guard` writes a line to the guardian."""

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        variables: Sequence[str] = (),
        limits: Limits | None = None,
        guard: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        token = secrets.token_urlsafe(32)
        port = self._listener.getsockname()[1]
        super().__init__(
            f"http://127.0.0.1:{port}/v1", token, attribution=False, limits=limits, name="LiteLLM", sessions=False
        )
        self.name = "LiteLLM"
        self._environment = worker_environment(environ, variables, token)
        self._guard = guard
        self._process: Process | None = None
        self._starting = asyncio.Lock()
        self._under_way = 0
        self._attending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await super().__aexit__()
        if self._attending is not None:
            self._attending.cancel()
        await self._end()
        self._listener.close()

    @property
    def pid(self) -> int | None:
        """The worker's process; None while none runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @asynccontextmanager
    async def answer_to(
        self,
        path: str,
        body: bytes,
        *,
        session_key: str = "",
        first_byte: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """As the host's, with the worker running. Raises `ReplyFailed` also when it cannot be started."""
        self._under_way += 1
        try:
            async with self._starting:
                if self.pid is None:
                    await self._start()
            async with super().answer_to(
                path, body, session_key=session_key, first_byte=first_byte, headers=headers
            ) as response:
                yield response
        finally:
            self._under_way -= 1

    async def _attend(self, process: Process) -> None:
        """Whoever knocked in the moment of its death waits at our socket, and nobody would come."""
        code = await process.wait()
        _log.warning("litellm worker ended", code=code)
        async with self._starting:
            if self._under_way and self._process is process:
                with suppress(ReplyFailed):
                    await self._start()

    async def _start(self) -> None:
        await self._end()
        command = (sys.executable, "-P", "-m", WORKER, str(self._listener.fileno()))
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=self._environment,
                cwd="/",
                pass_fds=(self._listener.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            raise _not_started(str(error)) from error
        self._guard(f"+pgid {process.pid} ?")
        line = ""
        try:
            async with asyncio.timeout(START_S):
                line = await self._first_line()
        except TimeoutError:
            line = f"failed it was not ready within {START_S:g} s"
        finally:
            if line != "ready":
                await self._end()
        if line != "ready":
            raise _not_started(line.removeprefix("failed ") or "it ended at once")
        _log.info("litellm worker started", pid=process.pid)
        self._attending = asyncio.create_task(self._attend(process))

    async def _first_line(self) -> str:
        """The worker's one line; whatever a library prints before it is passed over."""
        output = self._process.stdout if self._process else None
        if output is None:
            return ""
        async for raw in output:
            line = raw.decode(errors="replace").strip()
            if line == "ready" or line.startswith("failed "):
                return line
        return ""

    async def _end(self) -> None:
        """End the worker's whole group, whether or not its leader still runs."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(END_S):
                    await process.wait()
                    break
        if process.stdin is not None:
            process.stdin.close()
        self._guard(f"-pgid {process.pid}")


def _not_started(why: str) -> ReplyFailed:
    message = f"LiteLLM could not be started: {why}."
    return ReplyFailed(Failure(kind="api", status=502, type="api_error", message=message, should_retry=False))
