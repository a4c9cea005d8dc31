"""Settings: what the user wrote, checked, with the origin of every value."""
