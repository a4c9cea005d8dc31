"""Ready entries for usual hosts, as data: naming one of them in the configuration is enough.

A model `groq:…` brings the host's entry with it; what stands below `providers:` overrules it. Keys are read from the variable
that the host's own documentation names. Sources: the hosts' documentation of their OpenAI-compatible addresses.
"""

from __future__ import annotations

from typing import Any, Final

READY: Final[dict[str, dict[str, Any]]] = {
    # On this machine, without a key.
    "ollama": {"base_url": "http://127.0.0.1:11434/v1"},
    "lmstudio": {"base_url": "http://127.0.0.1:1234/v1"},
    "llamacpp": {"base_url": "http://127.0.0.1:8080/v1"},
    "vllm": {"base_url": "http://127.0.0.1:8000/v1"},
    # A process of our own with LiteLLM in it (`upstream/litellm.py`), for hosts that speak something else.
    "litellm": {"kind": "litellm", "base_url": "http://127.0.0.1/v1"},  # the port is that of the process
    # Elsewhere.
    "anthropic": {
        "base_url": "https://api.anthropic.com/v1",
        "kind": "anthropic",
        "key_variable": "ANTHROPIC_API_KEY",
        "key_header": "x-api-key",
    },
    "openai": {
        "base_url": "https://api.openai.com/v1",
        "key_variable": "OPENAI_API_KEY",
        "output_field": "max_completion_tokens",
    },
    "deepseek": {"base_url": "https://api.deepseek.com/v1", "key_variable": "DEEPSEEK_API_KEY"},
    "groq": {
        "base_url": "https://api.groq.com/openai/v1",
        "key_variable": "GROQ_API_KEY",
        "output_field": "max_completion_tokens",
    },
    "cerebras": {
        "base_url": "https://api.cerebras.ai/v1",
        "key_variable": "CEREBRAS_API_KEY",
        "output_field": "max_completion_tokens",
    },
    "mistral": {
        "base_url": "https://api.mistral.ai/v1",
        "key_variable": "MISTRAL_API_KEY",
        "stream_options": False,
    },
    "together": {"base_url": "https://api.together.xyz/v1", "key_variable": "TOGETHER_API_KEY"},
    "fireworks": {"base_url": "https://api.fireworks.ai/inference/v1", "key_variable": "FIREWORKS_API_KEY"},
    "moonshot": {"base_url": "https://api.moonshot.ai/v1", "key_variable": "MOONSHOT_API_KEY"},
    "xai": {"base_url": "https://api.x.ai/v1", "key_variable": "XAI_API_KEY"},
    "zai": {"base_url": "https://api.z.ai/api/paas/v4", "key_variable": "ZAI_API_KEY"},
}


def host_named(model: str) -> str:
    """The ready host that a written model name begins with; empty when it begins with none."""
    host, colon, rest = model.strip().partition(":")
    return host if colon and rest and host in READY else ""
