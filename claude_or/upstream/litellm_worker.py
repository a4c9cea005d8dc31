"""The process that runs LiteLLM, and the only file that imports it: a small server of chat completions.

Started by `upstream/litellm.py` with a listening socket, a token in its environment and a pipe as its standard input. LiteLLM
takes seconds and some 200 MB to load, fetches lists from the network unless told not to, and writes tracebacks to the terminal; here
all of that harms nobody. One line on the standard output says `ready`, or `failed` and why. The pipe's end is ours, too.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import re
import socket
import sys
import threading
from typing import Any, Final

import msgspec
from aiohttp import web

from claude_or.upstream.litellm import TOKEN_VARIABLE

SILENT: Final = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "httpx", "openai", "botocore")
LONGEST_ANSWER_S: Final = 3600.0
"""LiteLLM's own limit is 6,000 s and its only one; silence is measured by whoever reads the answer."""
BODY_BYTES: Final = 64_000_000
_CLASS_NAMES = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout): )+")


def main() -> None:
    """Serve on the socket given as the first argument until the pipe closes."""
    # Whoever started us may be gone without a word; then nobody is left to end us.
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    token = os.environ.pop(TOKEN_VARIABLE, "")
    try:
        complete = _load()
    except ImportError as error:
        _say(f"failed {error}")
        sys.exit(1)
    asyncio.run(_serve(socket.socket(fileno=int(sys.argv[1])), token, complete))


def _leave_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)


def _load() -> Any:
    import litellm  # pyright: ignore[reportMissingImports]

    theirs: Any = litellm
    theirs.suppress_debug_info = True
    theirs.drop_params = True
    for name in SILENT:
        logging.getLogger(name).disabled = True
    return theirs.acompletion


def _say(line: str) -> None:
    sys.stdout.write(" ".join(line.split()) + "\n")
    sys.stdout.flush()


async def _serve(listener: socket.socket, token: str, complete: Any) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode()):
            return _refusal(401, "not the token of this session")
        try:
            body = msgspec.json.decode(await request.read(), type=dict[str, Any])
        except msgspec.DecodeError as error:
            return _refusal(400, str(error))
        try:
            answered: Any = await complete(timeout=LONGEST_ANSWER_S, max_retries=0, **body)
        except Exception as error:  # noqa: BLE001 - whatever LiteLLM raises is an answer of the host
            return _failed(error)
        if body.get("stream") is not True:
            return web.json_response(body=_encoded(answered))
        return await _stream(request, answered)

    app = web.Application(client_max_size=BODY_BYTES)
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, access_log=None, handle_signals=True, shutdown_timeout=0.5)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    _say("ready")
    await asyncio.Event().wait()


async def _stream(request: web.Request, chunks: Any) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    try:
        async for chunk in chunks:
            await response.write(b"data: " + _encoded(chunk) + b"\n\n")
    except ConnectionError:
        raise  # the reader is gone
    except Exception as error:  # noqa: BLE001 - the stream must say that it broke
        await response.write(b"data: " + msgspec.json.encode(_told(error)) + b"\n\n")
    else:
        await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _encoded(answered: Any) -> bytes:
    return answered.model_dump_json(exclude_none=True).encode()


def _failed(error: Exception) -> web.Response:
    told = _told(error)
    headers = {str(k).lower(): str(v) for k, v in dict(getattr(error, "litellm_response_headers", None) or {}).items()}
    kept = {"retry-after": headers["retry-after"]} if "retry-after" in headers else None
    return web.json_response(told, status=told["error"]["code"], headers=kept)


def _told(error: Exception) -> dict[str, Any]:
    """The error as hosts of chat completions write it, without LiteLLM's class names."""
    status = getattr(error, "status_code", None)
    code = status if isinstance(status, int) and 400 <= status <= 599 else 500
    message = _CLASS_NAMES.sub("", str(getattr(error, "message", "") or error)) or type(error).__name__
    return {"error": {"code": code, "message": message}}


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"code": status, "message": message}}, status=status)


if __name__ == "__main__":
    main()
