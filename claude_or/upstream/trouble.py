"""What goes wrong between us and a host before it answers, or while it does, in words and as a `Failure`.

Only the connection is judged here; what a host says for itself is `translate/failure.py`'s.
"""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from claude_or.wire.anthropic import Failure

BROKEN: Final = (aiohttp.ClientError, ConnectionError, OSError, asyncio.IncompleteReadError)
"""Everything that a request or a read may raise because of the network or the host, time-outs (which are `OSError`) included."""


def reason_of(error: BaseException, host: str) -> str:
    """One clause for people. Never quotes headers or bodies."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"the name {host} could not be looked up"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {host} is not trusted"
        case aiohttp.ClientConnectorSSLError() | aiohttp.ClientSSLError():
            return f"no secure connection to {host} could be made"
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return "the proxy named in the environment could not be used"
        case aiohttp.ConnectionTimeoutError():
            return f"{host} did not accept a connection in time"
        case TimeoutError():
            return f"{host} gave no answer in time"
        case aiohttp.ClientConnectorError():
            return f"{host} cannot be reached ({error.os_error.strerror or 'no connection'})"
        case aiohttp.ClientPayloadError() | aiohttp.ContentTypeError():
            return f"the answer of {host} broke off or could not be decoded"
        case aiohttp.ClientResponseError():
            return f"{host} gave an answer that is no HTTP"
        case _:
            return f"the connection to {host} broke off"


def connection_failure(error: BaseException, host: str) -> Failure:
    """The failure of a call whose connection failed: 504 for silence, else 502. Worth another try either way."""
    message = f"{reason_of(error, host)}."
    message = message[0].upper() + message[1:] if message.startswith(("the ", "no ")) else message
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return Failure(kind="timeout", status=504, type="timeout_error", message=message)
    unreachable = isinstance(error, aiohttp.ClientConnectorError)
    return Failure(
        kind="api", status=502, type="api_error", message=message, cause="unreachable" if unreachable else ""
    )


def silence_failure(host: str, seconds: float) -> Failure:
    """The failure of a host that has said nothing for so long."""
    return Failure(
        kind="timeout", status=504, type="timeout_error", message=f"{host} was silent for {seconds:g} s; gave up."
    )
