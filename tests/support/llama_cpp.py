"""claude-or before a real llama.cpp server with a tiny model of random weights, made on the spot.

    uv run --with xllamacpp --with gguf --with numpy python -m tests.support.llama_cpp

A program and no test, because its two packages are large and are needed for nothing else. It checks a streamed answer, tools that are
offered, the usage, the limit of the answer and what becomes of a prompt that is too long. Exit code 0: all held.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from claude_or.config.schema import Models, Provider, ProviderModel, Settings
from claude_or.upstream.hosts import Hosts
from tests.proxy.gateway import WEATHER, gateway, prompt

WINDOW = 4_096
VOCABULARY, WIDTH, LAYERS, HEADS, INNER = 259, 64, 2, 4, 128
TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}<|assistant|>"


def write_model(path: Path) -> None:
    """A llama with one token per byte."""
    gguf: Any = import_module("gguf")
    numpy: Any = import_module("numpy")
    dice = numpy.random.default_rng(7)
    model = gguf.GGUFWriter(str(path), "llama")
    model.add_context_length(WINDOW)
    model.add_embedding_length(WIDTH)
    model.add_block_count(LAYERS)
    model.add_feed_forward_length(INNER)
    model.add_head_count(HEADS)
    model.add_head_count_kv(HEADS)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_rope_dimension_count(WIDTH // HEADS)
    model.add_vocab_size(VOCABULARY)
    model.add_tokenizer_model("llama")
    model.add_token_list(["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))])
    model.add_token_scores([0.0] * VOCABULARY)
    model.add_token_types([2, 3, 3] + [6] * 256)
    model.add_bos_token_id(1)
    model.add_eos_token_id(2)
    model.add_unk_token_id(0)
    model.add_chat_template(TEMPLATE)

    def weights(name: str, *shape: int, scale: float = 0.05) -> None:
        model.add_tensor(name, (dice.standard_normal(shape) * scale).astype(numpy.float32))

    weights("token_embd.weight", VOCABULARY, WIDTH, scale=1.0)
    weights("output.weight", VOCABULARY, WIDTH, scale=1.0)
    ones = numpy.ones(WIDTH, numpy.float32)
    model.add_tensor("output_norm.weight", ones)
    for n in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            model.add_tensor(f"blk.{n}.{norm}.weight", ones)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights(f"blk.{n}.{part}.weight", WIDTH, WIDTH)
        weights(f"blk.{n}.ffn_gate.weight", INNER, WIDTH)
        weights(f"blk.{n}.ffn_up.weight", INNER, WIDTH)
        weights(f"blk.{n}.ffn_down.weight", WIDTH, INNER)
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


def serve(path: Path) -> Any:
    """The server, which runs as long as the object lives."""
    llama: Any = import_module("xllamacpp")
    wanted = llama.CommonParams()
    wanted.model.path = str(path)
    wanted.n_ctx, wanted.n_parallel, wanted.port, wanted.use_jinja = WINDOW, 1, 0, True
    return llama.Server(wanted)


async def check(address: str) -> None:
    """What must hold. Raises `AssertionError`."""
    model = ProviderModel(context_window=WINDOW, max_output=256)
    settings = Settings(
        models=Models(big="llamacpp:tiny"),
        providers={"llamacpp": Provider(base_url=f"{address}/v1", models={"tiny": model})},
    )
    async with Hosts(settings, "", {}) as hosts, gateway(None, settings=settings, hosts=hosts) as door:
        answer = await door.post(prompt(model="opus", max_tokens=48, tools=[WEATHER], system="Be brief.", top_k=3))
        message = answer.message
        print("answer:", message["stop_reason"], message["usage"])
        assert message["stop_reason"] in {"max_tokens", "end_turn"}
        assert 0 < message["usage"]["output_tokens"] <= 48
        assert message["usage"]["input_tokens"] + message["usage"]["cache_read_input_tokens"] > 20
        whole = await door.post(prompt(model="opus", max_tokens=16, stream=False))
        assert whole.json["type"] == "message", whole.body
        long = await door.post(prompt("word " * 3 * WINDOW, model="opus"))
        print("too long:", long.status, long.json["error"]["message"])
        assert long.status == 400, long.body
        assert "prompt is too long" in long.json["error"]["message"]


def main() -> None:
    """Make the model, serve it, ask it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.gguf"
        write_model(path)
        server = serve(path)
        asyncio.run(check(server.listening_address))
    print("all held")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
