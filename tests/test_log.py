"""The log file: what was logged early is not lost, secrets never arrive, and nothing reaches the terminal."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from claude_or import log

KEY = "sk-or-v1-0123456789abcdef"
TOKEN = "the-token-of-this-session"


@pytest.fixture(autouse=True)
def _afterwards() -> Iterator[None]:
    log.close()
    log.forget()
    yield
    log.close()
    log.forget()
    log.release_stdlib()


def read(path: Path) -> list[dict[str, Any]]:
    """The file's lines."""
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]


def test_what_was_logged_before_the_file_existed_stands_in_it_in_order(tmp_path: Path) -> None:
    speaker = log.get_log("early")
    speaker.info("first", number=1)
    speaker.warning("second")
    log.configure(str(tmp_path / "logs" / "session.log"))
    speaker.error("third")
    lines = read(tmp_path / "logs" / "session.log")
    assert [(line["event"], line["level"], line["logger"]) for line in lines] == [
        ("first", "info", "early"),
        ("second", "warning", "early"),
        ("third", "error", "early"),
    ]
    assert lines[0]["number"] == 1
    assert [line["timestamp"] for line in lines] == sorted(line["timestamp"] for line in lines)


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "session.log"
    old = os.umask(0)
    try:
        log.configure(str(path))
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_events_below_the_level_are_left_out_early_ones_too(tmp_path: Path) -> None:
    speaker = log.get_log("x")
    speaker.info("early detail")
    log.configure(str(tmp_path / "l"), level="warning")
    speaker.info("late detail")
    speaker.warning("of use")
    assert [line["event"] for line in read(tmp_path / "l")] == ["of use"]


def test_secrets_are_masked_wherever_they_stand(tmp_path: Path) -> None:
    speaker = log.get_log("x")
    speaker.info(f"early {KEY}")
    log.configure(str(tmp_path / "l"), level="debug", secrets=(TOKEN, "p@ss w0rd\\"))
    try:
        raise ValueError(f"refused {TOKEN} and sk-or-v1-unknown-one")
    except ValueError as error:
        speaker.error("broke", exception=error)
    speaker.debug(
        "deep",
        headers={"authorization": f"Bearer {KEY}", TOKEN: [("a", {TOKEN})]},
        raw=f"x{TOKEN}x".encode(),
        path=Path("/x") / TOKEN,
        quoted="p@ss w0rd\\",
        long="y" * 7_990 + TOKEN,
    )
    logging.getLogger("aiohttp.server").error("failed with %s", KEY)
    raw = (tmp_path / "l").read_text()
    assert "Traceback" in raw
    for secret in (KEY, TOKEN, "the-token", "unknown-one", "p@ss"):
        assert secret not in raw
    assert raw.count(log.MASK) >= 9
    assert len(read(tmp_path / "l")) == 4


def test_ids_of_the_request_stand_in_its_events_only(tmp_path: Path) -> None:
    log.configure(str(tmp_path / "l"))
    speaker = log.get_log("x")
    with log.bound(request_id="req_1"):
        with log.bound(session="s"):
            speaker.info("inner")
        speaker.info("outer")
    speaker.info("outside")
    ids = [(line.get("request_id"), line.get("session")) for line in read(tmp_path / "l")]
    assert ids == [("req_1", "s"), ("req_1", None), (None, None)]


def test_what_libraries_log_and_warn_goes_to_the_file_and_not_to_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log.capture_stdlib()
    logging.getLogger("asyncio").error("early trouble")
    log.configure(str(tmp_path / "l"))
    logging.getLogger("aiohttp.web").warning("late %s", "trouble")
    own = next(handler for handler in logging.getLogger().handlers if type(handler).__module__ == "claude_or.log")
    own.handle(logging.LogRecord("odd", logging.INFO, "", 0, "no %d number", ("a",), None))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old thing", UserWarning, stacklevel=1)
    events = [line["event"] for line in read(tmp_path / "l")]
    assert events[:3] == ["early trouble", "late trouble", "no %d number"]
    assert "old thing" in events[3]
    assert capfd.readouterr() == ("", "")


def test_a_full_disk_breaks_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    link = tmp_path / "l"
    file = log.LogFile(str(link))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, file.descriptor)
    os.close(full)
    file.msg(b"lost")
    assert file.dropped == 1
    file.close()
    file.msg(b"after the end")


def test_odd_values_are_written_somehow(tmp_path: Path) -> None:
    log.configure(str(tmp_path / "l"))
    log.get_log("x").info(
        "odd", surrogate="a\ud800b", thing=object(), nothing=None, level="mine", many=[1, (2.5, True)]
    )
    (line,) = read(tmp_path / "l")
    assert line["event"] == "odd"
    assert line["level"] == "info"
    assert "object object" in str(line["thing"])


def test_the_front_loads_nothing_heavy() -> None:
    probe = (
        "import sys; from claude_or.log import get_log; get_log('x').info('y');"
        "print({'structlog','logging','msgspec','aiohttp'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_too_many_early_events_forget_the_oldest(tmp_path: Path) -> None:
    speaker = log.get_log("x")
    for number in range(2_100):
        speaker.info("n", number=number)
    log.configure(str(tmp_path / "l"))
    numbers = [line["number"] for line in read(tmp_path / "l")]
    assert numbers == list(range(100, 2_100))


def test_a_short_session_writes_the_same_lines_without_the_library(tmp_path: Path) -> None:
    def speak() -> None:
        speaker = log.get_log("x")
        speaker.debug("too fine")
        speaker.info("early", key=KEY, nested={"a": [TOKEN]})
        try:
            raise ValueError(f"refused {TOKEN}")
        except ValueError as error:
            speaker.error("broke", exception=error)

    speak()
    log.flush(str(tmp_path / "short"), secrets=(TOKEN,))
    speak()
    log.configure(str(tmp_path / "long"), secrets=(TOKEN,))
    log.close()
    short, long = (
        [{name: value for name, value in line.items() if name != "timestamp"} for line in read(tmp_path / name)]
        for name in ("short", "long")
    )

    assert [line["event"] for line in short] == ["early", "broke"]
    assert short == long
    assert stat.S_IMODE((tmp_path / "short").stat().st_mode) == 0o600
