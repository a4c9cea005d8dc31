"""When a server that ended is started again, and when no more. Pure: the time is an argument."""

from __future__ import annotations

from collections import deque
from typing import Final

DELAYS: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before the first, second, … restart in a row; the last one repeats."""
JITTER: Final = 0.2
"""The share by which a delay may be longer, so that servers that fell together do not rise together."""
STABLE: Final = 30.0
"""Seconds of life after which a restart counts as the first one again."""


class Restarts:
    """The restarts of one server: at most `most` within `window` seconds."""

    def __init__(self, most: int, window: float) -> None:
        self.total = 0
        self._most = most
        self._window = window
        self._times: deque[float] = deque()
        self._in_a_row = 0

    def delay(self, now: float, lived: float, luck: float) -> float | None:
        """Seconds until the next start; None to give up. `lived` is how long the server ran, `luck` in 0..1."""
        if lived >= STABLE:
            self._in_a_row = 0
        while self._times and now - self._times[0] > self._window:
            self._times.popleft()
        if len(self._times) >= self._most:
            return None
        self._times.append(now)
        self.total += 1
        base = DELAYS[min(self._in_a_row, len(DELAYS) - 1)]
        self._in_a_row += 1
        return base * (1 + JITTER * luck)

    def forget(self) -> None:
        """Somebody asked for the server: it has all its attempts again."""
        self._times.clear()
        self._in_a_row = 0

    def last_attempt(self, now: float) -> None:
        """One more start after giving up, and no further ones soon."""
        self.total += 1
        self._times.extend([now] * (self._most - len(self._times)))
