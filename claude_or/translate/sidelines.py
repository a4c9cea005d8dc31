"""What stands beside the text of an answer: links to sources, pictures, and stop sequences that the host was not told of."""

from __future__ import annotations

from typing import Any

import msgspec


class Link(msgspec.Struct, frozen=True):
    """One source that the answer names. `content` is the excerpt that the host quotes, often empty."""

    url: str
    title: str
    content: str = ""


class Citations:
    """The links of one answer, each address once. They are what `url_citation` annotations hold."""

    def __init__(self) -> None:
        self.found: list[Link] = []

    def add(self, annotation: dict[str, Any]) -> bool:
        """Take in one annotation; False when it is of another kind."""
        body = annotation.get("url_citation", annotation)
        url = body.get("url") if isinstance(body, dict) else None
        if annotation.get("type", "url_citation") != "url_citation" or not isinstance(url, str) or not url:
            return False
        if all(link.url != url for link in self.found):
            title, content = body.get("title"), body.get("content")
            self.found.append(
                Link(url, title if isinstance(title, str) else "", content if isinstance(content, str) else "")
            )
        return True

    def links(self, text_is_open: bool) -> str:
        """The list of sources in Markdown, to stand after the text; empty without sources."""
        if not self.found:
            return ""
        lines = [f"- [{_in_brackets(link.title or link.url)}]({link.url})" for link in self.found]
        return ("\n\n" if text_is_open else "") + "Sources:\n" + "\n".join(lines)


def _in_brackets(title: str) -> str:
    return " ".join(title.replace("[", "(").replace("]", ")").split())


def picture_note(image: dict[str, Any]) -> str:
    """What stands in the text for a picture, since an answer has no block for one: its address, if it has a short one."""
    source = image.get("image_url")
    url = source.get("url") if isinstance(source, dict) else source
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        return f"\n![picture]({url})\n"
    return "\n[The model answered with a picture, which cannot be shown here.]\n"


class StopCut:
    """Cuts text at the first of some sequences, also when one comes in pieces.

    `feed` holds back the end of a text that may be the beginning of a sequence; `rest` gives it back at the end.
    """

    def __init__(self, sequences: tuple[str, ...]) -> None:
        self._sequences = tuple(sequence for sequence in sequences if sequence)
        self._held = ""
        self.reached: str | None = None
        """The sequence at which the text was cut."""

    def feed(self, text: str) -> str:
        """The part of the text that is certain to stand before any sequence."""
        if self.reached is not None:
            return ""
        text = self._held + text
        found = min(
            ((text.find(sequence), sequence) for sequence in self._sequences if sequence in text),
            default=None,
        )
        if found is not None:
            position, self.reached = found
            self._held = ""
            return text[:position]
        keep = max((_overlap(text, sequence) for sequence in self._sequences), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """What was held back and turned out to be text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, sequence: str) -> int:
    """How many characters at the end of `text` are a beginning of `sequence`."""
    for length in range(min(len(text), len(sequence) - 1), 0, -1):
        if text.endswith(sequence[:length]):
            return length
    return 0
