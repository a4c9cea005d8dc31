"""The text of a PDF, for hosts that open no files.

Run as a program it reads the file from its standard input and writes the text to its standard output: a file from anywhere may hold
a bomb, and a process can be limited and ended. It never fails; what cannot be read is said in brackets in the text's place.
"""

from __future__ import annotations

import io
import sys
from typing import Final

MOST_PAGES: Final = 500
MOST_CHARACTERS: Final = 600_000
"""Some 150,000 tokens; more would not fit beside a conversation."""
MOST_MEMORY: Final = 1024 * 1024 * 1024
MOST_SECONDS: Final = 120
"""Of CPU: for a bomb that nobody waits for any more, as its parent was killed."""


def text_of(data: bytes) -> str:
    """The text page by page, shortened beyond the limits."""
    import logging

    from pypdf import PdfReader

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return "[The PDF is encrypted and cannot be read.]"
        pages = len(reader.pages)
        out: list[str] = []
        room = MOST_CHARACTERS
        for number, page in enumerate(reader.pages, 1):
            if number > MOST_PAGES or room <= 0:
                out.append(f"[Pages {number} to {pages} are left out.]")
                break
            text = page.extract_text().strip()[:room]
            room -= len(text)
            out.append(f"[Page {number} of {pages}]\n{text}" if text else "")
    except Exception as error:  # noqa: BLE001 - a broken file breaks in every way there is
        return f"[The PDF cannot be read: {type(error).__name__}.]"
    if room == MOST_CHARACTERS:
        return f"[The PDF of {pages} pages holds no text; it may be made of pictures.]"
    return "[A PDF, as its text:]\n" + "\n\n".join(part for part in out if part)


def main() -> None:
    """One file, from pipe to pipe."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # without the limit there is still that of time
    text = text_of(sys.stdin.buffer.read())
    sys.stdout.buffer.write(text.encode("utf-8", "replace"))


if __name__ == "__main__":
    main()
