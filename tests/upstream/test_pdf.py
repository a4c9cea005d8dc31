"""The text of PDFs, good and bad."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import zlib
from pathlib import Path

import pytest
from pypdf import PdfReader, PdfWriter

from claude_or.upstream import pdf_worker as reader
from claude_or.upstream.pdf import BROKEN, TOO_LONG, pdf_text
from claude_or.upstream.pdf_worker import text_of
from tests.fakes.papers import pdf, pdf_bytes


def encrypted(data: bytes) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_the_text_comes_page_by_page() -> None:
    assert text_of(pdf_bytes("Zebras have stripes.", "", "They run.")) == (
        "[A PDF, as its text:]\n[Page 1 of 3]\nZebras have stripes.\n\n[Page 3 of 3]\nThey run."
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "cannot be read"),
        (b"%PDF-1.4\nnothing", "cannot be read"),
        (pdf_bytes("a")[:200], "cannot be read"),
        (pdf_bytes("", ""), "2 pages holds no text"),
        (encrypted(pdf_bytes("a")), "is encrypted"),
    ],
)
def test_what_cannot_be_read_is_said_in_its_place(data: bytes, said: str) -> None:
    assert said in text_of(data)


def test_a_long_one_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_PAGES", 2)
    assert text_of(pdf_bytes("a", "b", "c", "d")).endswith("[Pages 3 to 4 are left out.]")
    monkeypatch.setattr(reader, "MOST_CHARACTERS", 5)
    assert "[Page 1 of 2]\nabcde\n\n[Pages 2 to 2 are left out.]" in text_of(pdf_bytes("abcdefgh", "x"))


async def test_a_process_of_its_own_reads_it() -> None:
    assert "Zebras" in await pdf_text(pdf("Zebras have stripes."))
    assert await pdf_text("%%%") == BROKEN
    assert "cannot be read" in await pdf_text(base64.b64encode(b"%PDF-1.4 broken").decode())


def bomb(size: int) -> bytes:
    """A page whose content is a few kilobytes that unpack to so many bytes."""
    packed = zlib.compress(b"BT /F1 12 Tf 72 700 Td (a) Tj ET\n".ljust(size, b" "), 9)
    whole = pdf_bytes("MARK")
    at = whole.index(b"<< /Length")
    end = whole.index(b"endstream")
    return whole[:at] + b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\n" % (len(packed), packed) + whole[end:]


async def test_a_bomb_stays_within_its_process() -> None:
    async with asyncio.timeout(120):
        said = await pdf_text(base64.b64encode(bomb(100_000_000)).decode())
    assert said.startswith("[The PDF")


async def test_nothing_of_the_folder_it_is_asked_from_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloned repository may hold a module of any name."""
    for name in ("pypdf", "claude_or", "logging", "typing"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert "Zebras" in await pdf_text(pdf("Zebras have stripes."))
    assert not (tmp_path / "ran").exists()


async def test_it_knows_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    (tmp_path / "sitecustomize.py").write_text(
        f"import os\nopen({str(told)!r}, 'w').write(' '.join(f'{{n}}={{v}}' for n, v in os.environ.items()))\n",
        encoding="utf-8",
    )
    for name in ("OPENROUTER_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "canary-5d2f61e4")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])]))
    assert "Zebras" in await pdf_text(pdf("Zebras have stripes."))
    said = told.read_text(encoding="utf-8")
    assert "PYTHONPATH=" in said
    assert "canary" not in said


async def test_one_that_takes_too_long_is_given_up() -> None:
    assert await pdf_text(pdf("a"), seconds=0.0) == TOO_LONG
