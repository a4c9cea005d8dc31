"""Everything a host may do wrong, each as one script with a name: the one place that lists the faults of the fake host.

    OpenRouterFake([FAULTS["cut inside a character"].reply])         or by hand: host.script(lambda _ask, _n: …reply)

`tests/faults/test_host.py` plays all of them before the whole proxy. What happens below HTTP (nobody listens, nobody accepts, a
TLS handshake that never comes, trickled bytes) is `tests/fakes/plug.py`; parts to build more from are in `tests/fakes/replies.py`.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import Final, Literal

from tests.fakes.replies import (
    Reply,
    comment,
    end,
    error,
    html,
    pause,
    plain,
    raw,
    reasoning,
    reset,
    stream_error,
    text,
    tool_call,
    wrapped_error,
)

WORDS: Final = "Words of the host, whole: é漢🦀."
SECRET: Final = "sk-or-v1-0123456789abcdef-echoed-by-the-host"

Told = Literal["whole", "refused", "repeated", "broken"]
"""What the client must get.

`whole`     the answer, as if nothing had happened
`refused`   an error after one call: the host would say the same again
`repeated`  an error after three calls, as nothing was said
`broken`    what was said, then an error event, after one call: what is read cannot be taken back
"""


@dataclass(frozen=True)
class Fault:
    """One fault. `status` and `type` are those of an error that is told as such."""

    reply: Reply
    told: Told
    status: int = 502
    type: str = "api_error"


def _says(*parts: object, **how: object) -> Reply:
    return Reply(parts, **how)  # type: ignore[arg-type]


_ZIPPED: Final = {"Content-Encoding": "gzip", "Content-Type": "text/event-stream"}
_EVENTS: Final = {"Content-Type": "text/event-stream"}

FAULTS: Final[dict[str, Fault]] = {
    # Refusals
    "400": Fault(error(400, "Not like this"), "refused", 400, "invalid_request_error"),
    "401": Fault(error(401, "Who are you"), "refused", 401, "authentication_error"),
    "402": Fault(error(402, "No credits"), "refused", 402, "billing_error"),
    "403": Fault(error(403, "Not you"), "refused", 403, "permission_error"),
    "404": Fault(error(404, "No such model"), "refused", 404, "not_found_error"),
    "413": Fault(error(413, "Too large"), "refused", 413, "request_too_large"),
    "a refusal that quotes the key": Fault(error(400, f"Key {SECRET} is odd"), "refused", 400, "invalid_request_error"),
    # Trouble that may pass
    "408": Fault(error(408, "Too slow"), "repeated", 504, "timeout_error"),
    "429": Fault(error(429, "Too often"), "repeated", 429, "rate_limit_error"),
    "500": Fault(error(500, "On fire"), "repeated", 500),
    "502": Fault(error(502, "Bad gateway"), "repeated", 502),
    "503": Fault(error(503, "Down"), "repeated", 529, "overloaded_error"),
    "529": Fault(error(529, "Busy"), "repeated", 529, "overloaded_error"),
    "trouble of a provider behind the host": Fault(wrapped_error(502, "Acme", '{"error":"boom"}'), "repeated", 502),
    "a page in place of an error": Fault(html(502), "repeated"),
    "a page in place of an answer": Fault(html(200), "repeated"),
    "an empty body": Fault(plain(200, b"", "application/json"), "repeated"),
    "an empty stream": Fault(_says(end(), greeting=False), "repeated"),
    "a stream of comments": Fault(_says(*comment(5), end()), "repeated"),
    "JSON that is cut": Fault(plain(200, b'{"choices":[{"message":{"content":"Wor', "application/json"), "repeated"),
    "JSON that is no object": Fault(plain(200, b"[1,2,3]", "application/json"), "repeated"),
    "an error inside a 200": Fault(
        plain(200, b'{"error":{"message":"On fire","code":502}}', "application/json"), "repeated"
    ),
    "an answer without choices": Fault(plain(200, b'{"id":"x","choices":[]}', "application/json"), "repeated"),
    "an error as the first event": Fault(_says(stream_error(502, "On fire")), "repeated"),
    "a reset before the first word": Fault(_says(reset()), "repeated"),
    "bad gzip": Fault(plain(200, b"\x1f\x8b\x08\x00this is not packed at all", "x", _ZIPPED), "repeated"),
    "gzip that is cut": Fault(plain(200, gzip.compress(b"data: {}\n\n" * 500)[:20], "x", _ZIPPED), "repeated"),
    "gzip in name only": Fault(plain(200, b"data: {}\n\n", "x", _ZIPPED), "repeated"),
    "a packing nobody knows": Fault(
        plain(200, zlib.compress(b"data: {}"), "text/event-stream", {"Content-Encoding": "snappy"}), "repeated"
    ),
    "bytes that are no text": Fault(plain(200, bytes(range(128, 256)) * 20, "text/event-stream"), "repeated"),
    "a redirect": Fault(plain(307, b"", "text/plain", {"Location": "http://127.0.0.1:9/elsewhere"}), "repeated"),
    # In the middle of an answer
    "an error after words": Fault(_says(text("Half a"), stream_error(502, "On fire")), "broken"),
    "a reset after words": Fault(_says(text("Half a"), pause(0.05), reset()), "broken"),
    "an end after words": Fault(_says(text("Half a"), end()), "broken"),
    "cut inside a character": Fault(
        _says(text("Half a"), raw('data: {"choices":[{"delta":{"content":"Half é'.encode()[:-1]), end()), "broken"
    ),
    "cut inside an event": Fault(_says(text("Half a"), raw('data: {"choices":[{"delta":{"cont'), end()), "broken"),
    "cut inside the arguments of a call": Fault(
        _says(tool_call("Read", '{"file_path": "/hal', cut=None), end(), finish=""), "broken"
    ),
    "cut while it thinks": Fault(_says(reasoning("Half a"), end()), "broken"),
    "no finish and no end": Fault(_says(text("Half a"), finish="", done=False), "broken"),
    # What is odd and yet right
    "one byte at a time": Fault(_says(text(WORDS), slice_bytes=1), "whole"),
    "a packed stream": Fault(_says(text(WORDS), gzip=True), "whole"),
    "comments between words": Fault(
        _says(*comment(3), text("Words of the host, "), *comment(3), text(WORDS[19:])), "whole"
    ),
    "no greeting": Fault(_says(text(WORDS), greeting=False), "whole"),
    "lines that end in CRLF": Fault(_says(text(WORDS), newline=b"\r\n"), "whole"),
    "no [DONE]": Fault(_says(text(WORDS), done=False), "whole"),
    "no usage": Fault(_says(text(WORDS), tell_usage="never"), "whole"),
    "an object in place of a stream": Fault(_says(text(WORDS), form="json"), "whole"),
    "a stream in place of an object": Fault(_says(text(WORDS), form="stream"), "whole"),
    "one delta for each character": Fault(_says(text(WORDS, cut=1)), "whole"),
    "events that nobody knows": Fault(
        _says(raw("event: weather\ndata: {}\n\n"), raw("id: 7\nretry: 3\n\n"), text(WORDS)), "whole"
    ),
}
