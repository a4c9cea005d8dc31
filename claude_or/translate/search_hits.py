"""What a source answered to a search, as hits: JSON of a described shape, and what tools of MCP servers give.

Such a tool writes for a model, not for a program. Usual forms are read: JSON (`structuredContent`, one text, or one text for each
page), blocks of labelled lines (`Title:` … `URL:` …), numbered lists, links in Markdown, and plain addresses. Whoever writes a
page writes part of the answer, so no text may take long to read: patterns never go back over what they took. Pure.
Source: results of tools in Model Context Protocol 2025-11-25; what the search servers on PyPI and npm print.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, cast

import msgspec

from claude_or.translate.web_search import MOST_TEXT, Hit, SearchFailed, WebTool, is_wanted

USUAL: Final[dict[str, tuple[str, ...]]] = {
    "title": ("title", "name"),
    "url": ("url", "link", "href"),
    "text": ("description", "content", "snippet", "summary", "text", "body"),
    "age": ("age", "page_age", "published_date", "publishedDate", "published", "date"),
}
"""How sources name the parts of a hit, the most usual first."""

_DEEP: Final = 6
"""Levels of an answer that are searched for its list."""
_MOST_READ: Final = 400_000
"""Characters of a tool's text."""
_MOST_HITS: Final = 100
"""Of one answer; a few of them are kept."""
_LABEL: Final = re.compile(r"^[\s>*#-]*+(?:\d++[.)]\s++)?\**+([A-Za-z][A-Za-z ]{0,20}?)\**+\s*+:\**+\s++(\S.*)$")
_NUMBERED: Final = re.compile(r"^\s*+(?:\d++[.)]|\[\d++\])\s++(\S.*)$")
_LINK: Final = re.compile(r"\[([^\[\]]++)\]\(<?(https?://[^\s()<>]++(?:\([^\s()<>]*+\)[^\s()<>]*+)*)>?[^)\n]{0,300}+\)")
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"'`\]]+")
_PAGE: Final = re.compile(r"https?://[!-\U0010ffff]+", re.IGNORECASE)
"""The address of a page that can be shown: one word, of the web."""
_LABELS: Final = {
    "title": "title",
    "name": "title",
    "url": "url",
    "link": "url",
    "description": "text",
    "content": "text",
    "snippet": "text",
    "summary": "text",
    "text": "text",
    "highlights": "text",
    "age": "age",
    "published": "age",
    "published date": "age",
    "date": "age",
}


def below(value: Any, path: str) -> Any:
    """What stands at a dotted path; None where it leads nowhere."""
    for step in filter(None, path.split(".")):
        if isinstance(value, dict):
            value = cast("dict[str, Any]", value).get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[int(step)]
        else:
            return None
    return value


def kept_of(hits: Iterable[Hit], tool: WebTool, most: int) -> list[Hit]:
    """The hits that are shown: pages of the web, each once, which the tool's lists of domains let pass. A title is one line."""
    pages: dict[str, Hit] = {}
    for hit in hits:
        if hit.url not in pages and _PAGE.fullmatch(hit.url) and is_wanted(hit.url, tool):
            pages[hit.url] = msgspec.structs.replace(
                hit, title=" ".join(hit.title.split()), age=" ".join(hit.age.split())
            )
    return list(pages.values())[:most]


def hits_at(answer: Any, results: str, fields: Mapping[str, str]) -> list[Hit]:
    """The hits of an answer of this shape: `results` and the values of `fields` are dotted paths. Raises `SearchFailed`."""
    found = below(answer, results)
    if found is None and isinstance(answer, dict):
        # Sources leave the list out when nothing was found.
        found = []
    if not isinstance(found, list):
        raise SearchFailed("unavailable", f"the answer has no list at {results!r}")
    return [
        Hit(**{name: _text(below(entry, path)) for name, path in fields.items()})
        for entry in cast("list[Any]", found)
        if _text(below(entry, fields["url"]))
    ]


def hits_of_tool(result: Mapping[str, Any], results: str | None, fields: Mapping[str, str]) -> list[Hit]:
    """The hits in what a tool gave (`CallToolResult`); `results` and `fields` overrule what is usual. None found is no failure.

    Raises `SearchFailed` when the tool says that it failed, or when there is text in which no page can be told.
    """
    content = result.get("content")
    blocks = cast("list[Any]", content) if isinstance(content, list) else []
    texts = [str(block.get("text", "")) for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    if result.get("isError"):
        raise SearchFailed("unavailable", f"the tool failed: {' '.join(texts)[:300]}")
    answers = [result["structuredContent"]] if result.get("structuredContent") is not None else []
    read = [_json(text) for text in texts]
    if any(isinstance(answer, dict | list) for answer in read):
        answers.append(next(iter(read)) if len(read) == 1 else read)
    for answer in answers:
        hits = _hits_in_json(answer, results, fields)
        if hits is not None:
            return hits
    if results is not None:
        raise SearchFailed("unavailable", f"the tool's answer has no list at {results!r}")
    return _hits_in_text("\n\n".join(texts)[:_MOST_READ])


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def _hits_in_json(answer: Any, results: str | None, fields: Mapping[str, str]) -> list[Hit] | None:
    """None where no list of pages is in it."""
    entries = below(answer, results) if results is not None else _list_in(answer, fields)
    if not isinstance(entries, list):
        return None
    hits = [
        Hit(**{name: _first(entry, name, fields) for name in USUAL})
        for entry in cast("list[Any]", entries)
        if isinstance(entry, dict)
    ]
    return [hit for hit in hits if hit.url]


def _list_in(answer: Any, fields: Mapping[str, str]) -> list[Any] | None:
    """The first list, level by level, with an entry that has an address."""
    level = [answer]
    for _ in range(_DEEP):
        for value in level:
            if isinstance(value, list) and any(_first(entry, "url", fields) for entry in cast("list[Any]", value)):
                return cast("list[Any]", value)
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                deeper += cast("dict[str, Any]", value).values()
            elif isinstance(value, list):
                deeper += cast("list[Any]", value)
        level = deeper
    return None


def _first(entry: Any, name: str, fields: Mapping[str, str]) -> str:
    paths = (fields[name],) if name in fields else USUAL[name]
    return next((said for path in paths if (said := _text(below(entry, path)))), "")


def _hits_in_text(text: str) -> list[Hit]:
    for read in (_labelled, _linked):
        hits = list(islice(read(text), _MOST_HITS))
        if hits:
            return hits
    if hits := list(islice(_addresses(text), _MOST_HITS)):
        return hits
    if not text.strip() or len(text) < 200:
        # "No results found", in whatever words.
        return []
    raise SearchFailed("unavailable", "the tool's answer names no pages")


def _labelled(text: str) -> Iterator[Hit]:
    """Blocks of lines like `Title: …`; a number before a line without a label makes that line a title."""
    parts: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        label = _LABEL.match(line)
        name = _LABELS.get(label[1].lower(), "") if label else ""
        numbered = _NUMBERED.match(line)
        said = label[2].strip() if label else ""
        if not name and numbered and not label:
            name, said = "title", numbered[1].strip()
        if name and (name in parts or (name == "title" and "url" in parts)):
            if parts.get("url", "").startswith("http"):
                yield Hit(**parts)
                parts = {}
            elif name == "title":
                parts = {}
            elif name == "text":
                said = f"{parts['text'][:MOST_TEXT]}\n{said}"
        if name:
            parts[name] = said
            last = name
        elif label:
            last = ""  # a line that tells something else of the page
        elif (
            last == "text" and len(parts["text"]) < MOST_TEXT and line.strip() and not set(line.strip()) <= set("-=*_")
        ):
            parts["text"] += f"\n{line.strip()}"
    if parts.get("url", "").startswith("http"):
        yield Hit(**parts)


def _linked(text: str) -> Iterator[Hit]:
    """Links in Markdown, each with the text up to the next one."""
    links = list(_LINK.finditer(text))
    seen: set[str] = set()
    for at, link in enumerate(links):
        if link[2] in seen:
            continue
        seen.add(link[2])
        after = links[at + 1].start() if at + 1 < len(links) else len(text)
        said = text[link.end() : after].strip(" \n\t-*:#>0123456789.")
        yield Hit(title=link[1].strip(), url=link[2], text=said)


def _addresses(text: str) -> Iterator[Hit]:
    """Plain addresses, each once, with what stands in its line beside it."""
    seen: set[str] = set()
    for line in text.splitlines():
        for found in _ADDRESS.findall(line):
            address = found.rstrip(".,;:!?)")
            if address not in seen:
                seen.add(address)
                yield Hit(url=address, text=line[:MOST_TEXT].replace(address, "").strip(" \t-*:()<>"))


def _text(value: Any) -> str:
    """A value as text: a list by its lines, and nothing of what is deeper."""
    values = cast("list[Any]", value) if isinstance(value, list) else [value]
    # Half a surrogate pair has no place in what is sent on.
    return "\n".join(_word(one) for one in values).encode("utf-8", "replace").decode()


def _word(value: Any) -> str:
    match value:
        case str():
            return value
        case int() | float() if not isinstance(value, bool):
            return repr(value) if abs(value) < 1e18 else ""
        case _:
            return ""
