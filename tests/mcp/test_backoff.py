"""Restarts: soon at first, then later, then no more."""

from __future__ import annotations

from claude_or.mcp.backoff import DELAYS, Restarts


def test_delays_grow_and_five_in_a_minute_are_enough() -> None:
    restarts = Restarts(5, 60.0)
    assert [restarts.delay(now, 0.1, 0.0) for now in range(6)] == [0.0, 0.5, 1.0, 2.0, 4.0, None]
    assert restarts.total == 5


def test_old_restarts_are_forgotten() -> None:
    restarts = Restarts(5, 60.0)
    given = [restarts.delay(now * 20.0, 0.1, 0.0) for now in range(12)]
    assert None not in given
    assert given[-1] == DELAYS[-1]


def test_a_life_of_half_a_minute_starts_from_the_beginning() -> None:
    restarts = Restarts(5, 60.0)
    assert [restarts.delay(0, 0.1, 0.0), restarts.delay(1, 0.1, 0.0)] == [0.0, 0.5]
    assert restarts.delay(40, 31.0, 0.0) == 0.0


def test_luck_only_lengthens_a_delay() -> None:
    lucky = [Restarts(5, 60.0).delay(0, 0, luck) for luck in (0.0, 1.0)]
    assert lucky == [0.0, 0.0]
    restarts = Restarts(5, 60.0)
    restarts.delay(0, 0, 1.0)
    assert restarts.delay(0, 0, 1.0) == 0.6


def test_one_more_attempt_is_one() -> None:
    restarts = Restarts(2, 60.0)
    for _ in range(3):
        restarts.delay(0, 0, 0)
    restarts.last_attempt(1)
    assert restarts.delay(2, 0, 0) is None


def test_who_asks_gets_all_attempts_again() -> None:
    restarts = Restarts(1, 60.0)
    assert [restarts.delay(0, 0, 0), restarts.delay(0, 0, 0)] == [0.0, None]
    restarts.forget()
    assert restarts.delay(0, 0, 0) == 0.0
