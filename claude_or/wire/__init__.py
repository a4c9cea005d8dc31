"""Other people's words: wire formats, decoded permissively and written strictly. Pure."""
