"""Hypothesis profiles, chosen by HYPOTHESIS_PROFILE: few examples by default, very many under `long`.

Under `long` a property runs for some minutes, so give pytest `--timeout 0`.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_SLOW_IS_FINE = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much)

settings.register_profile("default", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("random", max_examples=1_000, deadline=None, suppress_health_check=_SLOW_IS_FINE)
settings.register_profile("long", max_examples=100_000, deadline=None, suppress_health_check=_SLOW_IS_FINE)


def chance_is_a_seed() -> bool:
    """Whether an example's chance is one drawn number, which is fast, and not a draw for each decision, which shrinks."""
    return os.environ.get("HYPOTHESIS_PROFILE") == "long"


def load_profile() -> None:
    """Load the profile that the environment asks for."""
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
