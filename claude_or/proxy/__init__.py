"""The local door: an aiohttp application that speaks the Anthropic Messages API to Claude Code."""
