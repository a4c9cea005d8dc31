"""A server's stderr on the disk: bounded, masked, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

from claude_or.mcp.journal import FILE_LIMIT, FILES, KEPT_LINES, LINE_LIMIT, Journal


def test_the_files_are_rotated_and_bounded(tmp_path: Path) -> None:
    path = tmp_path / "mcp" / "s.log"
    journal = Journal(str(path))
    for number in range(6 * FILE_LIMIT // 1024):
        journal.feed(f"{number} {'x' * 1000}\n".encode())
    journal.close()
    files = sorted(entry.name for entry in path.parent.iterdir())
    assert files == ["s.log", *(f"s.log.{number}" for number in range(1, FILES))]
    assert all(entry.stat().st_size < FILE_LIMIT + 2_000 for entry in path.parent.iterdir())
    assert f"{6 * FILE_LIMIT // 1024 - 1} xxx" in path.read_text()


def test_two_sessions_share_a_file_across_its_rotation(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    one, two = Journal(str(path)), Journal(str(path))
    one.feed(b"from one\n")
    two.feed(b"from two\n")
    path.rename(f"{path}.1")
    one.feed(b"one again\n")
    two.feed(b"two again\n")
    assert [line.split(" ", 1)[1] for line in path.read_text().splitlines()] == ["one again", "two again"]
    one.close()
    two.close()


def test_the_last_lines_are_kept_without_blanks(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "s.log"))
    for number in range(80):
        journal.feed(f"{number}\r\n\n".encode())
    assert len(journal.tail) == KEPT_LINES
    assert journal.last(3) == ["77", "78", "79"]
    journal.close()


def test_a_secret_is_masked_wherever_the_reads_cut_it(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    journal = Journal(str(path), ("s3cret-value",))
    for piece in (b"before s3c", b"ret-va", b"lue after\nand sk-or-v1-", b"0123456789 too"):
        journal.feed(piece)
    journal.feed(b"\n" + b"y" * (LINE_LIMIT - 6) + b"s3cret-value\n")
    journal.end()
    text = path.read_text()
    assert "before [masked] after" in text
    assert "s3c" not in text
    assert "sk-or-v1" not in text
    journal.close()


def test_what_has_no_end_of_line_is_kept_too(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "s.log"))
    journal.feed(b"last words")
    assert journal.last(1) == []
    journal.end()
    assert journal.last(1) == ["last words"]
    journal.feed(b"p" * 200_000)
    assert journal.last(1)[0].startswith("ppp")
    journal.close()


def test_a_folder_that_cannot_be_written_costs_only_the_file(tmp_path: Path) -> None:
    (tmp_path / "mcp").write_text("a file in the way")
    journal = Journal(str(tmp_path / "mcp" / "s.log"))
    journal.feed(b"still in memory\n")
    assert journal.last(1) == ["still in memory"]
    journal.close()
