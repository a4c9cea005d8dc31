"""Supervised MCP servers and the relay in front of them."""
