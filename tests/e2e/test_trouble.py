"""What a user of the real client sees, and when, while the host is in lasting trouble. Long, hence mostly marked slow."""

from __future__ import annotations

import pytest

from tests.fakes.replies import error
from tests.support.lab import Lab


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("status", "delay", "calls", "seconds"),
    [(500, 0.0, 12, 60), (529, 0.0, 12, 60), (429, 0.0, 14, 150), (502, 7.0, 12, 90)],
)
async def test_lasting_trouble_is_told_in_the_hosts_words_soon(
    lab: Lab, status: int, delay: float, calls: int, seconds: float
) -> None:
    lab.host.script(lambda _ask, _n: error(status, "The hosts own words", head_delay=delay))
    done = await lab.ask("hello", timeout=220)
    print(f"{status} after {delay} s: {len(lab.host.asks)} calls, {done.seconds:.0f} s: {done.result['result'][:300]}")
    assert done.code == 1
    assert "The hosts own words" in done.result["result"]
    assert len(lab.host.asks) <= calls
    assert done.seconds <= seconds
