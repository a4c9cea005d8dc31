"""Single requests with the standard library alone, for commands that must not load an HTTP library.

They reach the host in the way a session does: by the proxy of the environment, never for this machine itself, and with the
certificates that the user named. A redirect is not followed, because it could carry a key or a code to another host.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from urllib.request import OpenerDirector


def opener_for(url: str) -> OpenerDirector:
    """What opens this address. Plain http is loopback, which no proxy can reach."""
    from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *args: Any, **more: Any) -> None:
            """Stay where we are."""

    if url.startswith("http:"):
        return build_opener(Stay, ProxyHandler({}))
    from claude_or.upstream.trust import trusted

    context = trusted(os.environ)
    return build_opener(Stay, *([] if isinstance(context, bool) else [HTTPSHandler(context=context)]))


def why_not(error: Exception, host: str) -> str:
    """Why there was no answer, in words for people: those of Python's own errors are made for programs."""
    import socket
    import ssl

    reason = getattr(error, "reason", error)
    match reason:
        case ssl.SSLCertVerificationError():
            return f"the certificate of {host} is not trusted ({reason.verify_message or 'it does not fit'})"
        case ssl.SSLError():
            return f"no secure connection to {host}: what answers there does not speak TLS as it should"
        case socket.gaierror():
            return f"the name {host} could not be looked up"
        case TimeoutError():
            return f"{host} gave no answer in time"
        case OSError() if reason.errno:
            return f"{host} cannot be reached ({os.strerror(reason.errno).lower()})"
        case ValueError():
            return f"what {host} answered was not understood"
        case _:
            return f"the connection to {host} broke off"
