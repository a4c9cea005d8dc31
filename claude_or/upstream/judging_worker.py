"""One answer checked against its schema, as a program: from its standard input to its standard output, in JSON."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from claude_or.translate.structured import NotFit, Wanted, fitting
from claude_or.wire.anthropic import BadRequest


def verdict_on(given: bytes) -> dict[str, Any]:
    """The content as it should be told, or why it does not fit, or why nothing can be said."""
    asked: dict[str, Any] = msgspec.json.decode(given)
    try:
        return {"content": fitting(asked["message"], Wanted(asked["schema"], asked["tools"]))["content"]}
    except NotFit as trouble:
        return {"trouble": str(trouble), "call": trouble.call, "plain": trouble.plain}
    except BadRequest as refused:
        return {"refused": str(refused)}


def main() -> None:
    """One answer, from pipe to pipe."""
    encode = msgspec.json.Encoder(decimal_format="number").encode
    sys.stdout.buffer.write(encode(verdict_on(sys.stdin.buffer.read())))


if __name__ == "__main__":
    main()
