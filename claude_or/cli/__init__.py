"""Command line: entry point, commands, and the one place that prints."""
