"""What every test shares."""

from tests.properties import load_profile

load_profile()
