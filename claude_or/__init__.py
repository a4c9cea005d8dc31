"""Claude Code on any OpenRouter model, behind a proxy that lives exactly as long as the session."""

__version__ = "0.1.0"
