"""Whose certificates are trusted on the way to a host: the system's, and what the user names for a company's own authority.

`SSL_CERT_FILE` and `SSL_CERT_DIR` take the place of the system's, as everywhere; OpenSSL reads them by itself. `NODE_EXTRA_CA_CERTS`
adds to them, as it does for Claude Code, so that who has set it up for the one has set it up for the other.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from claude_or.log import get_log

EXTRA = "NODE_EXTRA_CA_CERTS"

_log = get_log("upstream")


def trusted(environ: Mapping[str, str]) -> ssl.SSLContext | bool:
    """What aiohttp takes as `ssl`: a context that trusts the extra authorities too, or True for the usual one."""
    path = environ.get(EXTRA, "")
    if not path:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=path)
    except OSError as error:
        # Claude Code warns and goes on, too; `ssl.SSLError` is an `OSError`.
        _log.warning("extra certificates not used", variable=EXTRA, file=path, reason=error.strerror or str(error))
        return True
    return context
