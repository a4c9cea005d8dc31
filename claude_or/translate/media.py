"""Pictures and documents as content parts, or as a note where the model cannot take them.

Base64 never becomes text: a model without vision gets one line in place of the picture, so that a history with pictures can
go on with any model.
"""

from __future__ import annotations

from typing import Any, Final

from claude_or.translate.losses import Losses
from claude_or.translate.profiles import ModelProfile
from claude_or.wire.anthropic import BadRequest

NO_VISION: Final = "[image omitted: model has no vision]"
NO_FILES: Final = "[document omitted: the model's host takes no files]"


def text_part(text: str) -> dict[str, Any]:
    """A text part."""
    return {"type": "text", "text": text}


def image_part(block: dict[str, Any], place: str, profile: ModelProfile, losses: Losses) -> dict[str, Any]:
    """The part for an image block. Raises `BadRequest` for a source that cannot be reached from here."""
    source = _source(block, place)
    kind = source.get("type")
    if kind == "base64":
        media, data = source.get("media_type"), source.get("data")
        if not isinstance(media, str) or not media.startswith("image/"):
            raise BadRequest("Input should be an image type", f"{place}.source.media_type")
        if not isinstance(data, str):
            raise BadRequest("Input should be a valid string", f"{place}.source.data")
        url = f"data:{media};base64,{data}"
    elif kind == "url":
        url = _string(source, "url", f"{place}.source")
    else:
        raise _unreachable(kind, place)
    if profile.images is False:
        losses.add("image", place, "the model has no vision")
        return text_part(NO_VISION)
    if block.get("transformations"):
        losses.add("transformations", f"{place}.transformations", "pictures are sent as they are")
    return {"type": "image_url", "image_url": {"url": url}}


def document_parts(block: dict[str, Any], place: str, profile: ModelProfile, losses: Losses) -> list[dict[str, Any]]:
    """The parts for a document block: a file for a PDF, text for text. Raises `BadRequest` as for an image."""
    source = _source(block, place)
    kind = source.get("type")
    citations = block.get("citations")
    if isinstance(citations, dict) and citations.get("enabled"):
        losses.add("citations", f"{place}.citations", "no citations come back")
    head = "\n".join(value for key in ("title", "context") if isinstance(value := block.get(key), str) and value)
    if kind == "text":
        text = _string(source, "data", f"{place}.source")
        return [text_part(f"{head}\n\n{text}" if head else text)]
    if kind == "content":
        return _content_parts(source, head, place, profile, losses)
    if kind == "base64":
        media = source.get("media_type")
        if media != "application/pdf":
            raise BadRequest("Input should be 'application/pdf'", f"{place}.source.media_type")
        data = f"data:{media};base64,{_string(source, 'data', f'{place}.source')}"
    elif kind == "url":
        data = _string(source, "url", f"{place}.source")
    else:
        raise _unreachable(kind, place)
    if not profile.files:
        losses.add("document", place, "the host takes no files")
        return [text_part(f"{head}\n{NO_FILES}" if head else NO_FILES)]
    title = block.get("title")
    name = title if isinstance(title, str) and title else "document.pdf"
    file = {"type": "file", "file": {"filename": name, "file_data": data}}
    return [text_part(head), file] if head else [file]


def _content_parts(
    source: dict[str, Any], head: str, place: str, profile: ModelProfile, losses: Losses
) -> list[dict[str, Any]]:
    content = source.get("content")
    parts = [text_part(head)] if head else []
    if isinstance(content, str):
        return [*parts, text_part(content)]
    blocks: list[Any] = content if isinstance(content, list) else []
    for i, block in enumerate(blocks):
        inner = f"{place}.source.content.{i}"
        if not isinstance(block, dict):
            raise BadRequest("Input should be a valid dictionary", inner)
        if block.get("type") == "image":
            parts.append(image_part(block, inner, profile, losses))
        else:
            parts.append(text_part(_string(block, "text", inner)))
    return parts


def search_text(block: dict[str, Any], place: str) -> str:
    """A search result as text: title and source, then what was found."""
    title, source = block.get("title"), block.get("source")
    head = f"{title} ({source})" if isinstance(title, str) and title else str(source or "")
    lines = [head] if head else []
    content = block.get("content")
    entries: list[Any] = content if isinstance(content, list) else []
    for i, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise BadRequest("Input should be a valid dictionary", f"{place}.content.{i}")
        lines.append(_string(entry, "text", f"{place}.content.{i}"))
    return "\n".join(lines)


def _source(block: dict[str, Any], place: str) -> dict[str, Any]:
    source = block.get("source")
    if not isinstance(source, dict):
        raise BadRequest("Field required", f"{place}.source")
    return source


def _string(holder: dict[str, Any], key: str, place: str) -> str:
    value = holder.get(key)
    if not isinstance(value, str):
        raise BadRequest("Field required" if value is None else "Input should be a valid string", f"{place}.{key}")
    return value


def _unreachable(kind: Any, place: str) -> BadRequest:
    if kind == "file":
        return BadRequest("uploaded files cannot be reached from here; send the content", f"{place}.source.type")
    return BadRequest(f"the source type {kind!r} is not known here", f"{place}.source.type")
