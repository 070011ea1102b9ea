"""Writes a llama model of 0.5 MB with random weights: it says nothing sensible, at a thousand tokens a second.

Everything a server needs is in it: a SentencePiece vocabulary with byte tokens, a chat template, a long context.
Source: GGUF specification, and the tensor names of llama.cpp's `llama` architecture.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

WORDS = ("the", "signal", "train", "points", "track", "lamp", "yard", "line", "freight", "lever", "bridge", "depot")
SPACE = "\u2581"
"""SentencePiece writes it for a blank."""
END_TOKEN = 2
UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"

WIDTH, LAYERS, HEADS, FEED_FORWARD = 64, 2, 4, 128
CONTEXT_TOKENS = 32_768
SPREAD = 0.3
"""Standard deviation of the weights: enough for the answer to wander, too little for a loop at once."""


def vocabulary() -> tuple[list[str], list[TokenType], list[float]]:
    """Tokens, their types and scores."""
    special = [UNKNOWN, BEGIN, END]
    of_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    plain = [SPACE, *(SPACE + word for word in WORDS), *map(chr, range(33, 127))]
    types = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, *[TokenType.BYTE] * 256]
    types += [TokenType.NORMAL] * len(plain)
    scores = [0.0] * (len(special) + len(of_bytes)) + [-float(rank) for rank in range(len(plain))]
    return special + of_bytes + plain, types, scores


def write_tiny_model(path: Path, seed: int = 7) -> Path:
    """Write the model; equal seeds give equal files."""
    tokens, types, scores = vocabulary()
    writer = GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(CONTEXT_TOKENS)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_scores(scores)
    writer.add_unk_token_id(tokens.index(UNKNOWN))
    writer.add_bos_token_id(tokens.index(BEGIN))
    writer.add_eos_token_id(END_TOKEN)
    writer.add_add_bos_token(value=True)
    writer.add_chat_template(TEMPLATE)
    _add_weights(writer, len(tokens), np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_weights(writer: GGUFWriter, tokens: int, rng: np.random.Generator) -> None:
    def random(name: str, *shape: int) -> None:
        writer.add_tensor(f"{name}.weight", (rng.standard_normal(shape) * SPREAD).astype(np.float32))

    def ones(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, dtype=np.float32))

    random("token_embd", tokens, WIDTH)
    output = (rng.standard_normal((tokens, WIDTH)) * SPREAD).astype(np.float32)
    output[END_TOKEN] = 0  # never the likeliest: a greedy answer ends at its limit, or where a grammar ends
    writer.add_tensor("output.weight", output)
    ones("output_norm")
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        ones(f"{block}.attn_norm")
        ones(f"{block}.ffn_norm")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            random(f"{block}.{part}", WIDTH, WIDTH)
        random(f"{block}.ffn_gate", FEED_FORWARD, WIDTH)
        random(f"{block}.ffn_up", FEED_FORWARD, WIDTH)
        random(f"{block}.ffn_down", WIDTH, FEED_FORWARD)


if __name__ == "__main__":
    write_tiny_model(Path(sys.argv[1]))
