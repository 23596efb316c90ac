"""Write an untrained Transformer as CTranslate2 reads it, in int8.

    python ctranslate2_model.py PIECES.json FOLDER --layers 6 --width 512 --feed-forward 2048 --heads 8

PIECES.json is the vocabulary, a list. Pre-norm, sinusoidal positions, and one matrix for both embeddings and the
output, as the models that Argos and OPUS offer. Time does not depend on what weights say, only on their shapes.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from ctranslate2.specs import TransformerSpec, attention_spec, common_spec, transformer_spec

random = np.random.default_rng(1)


def fill_linear(spec: common_spec.LinearSpec, outputs: int, inputs: int) -> None:
    """Draw a layer's weights so that what passes through keeps its size."""
    spec.weight = random.normal(0, inputs**-0.5, (outputs, inputs)).astype(np.float32)
    spec.bias = np.zeros(outputs, np.float32)


def fill_norm(spec: common_spec.LayerNormSpec, width: int) -> None:
    """Let a layer normalization neither scale nor shift."""
    spec.gamma = np.ones(width, np.float32)
    spec.beta = np.zeros(width, np.float32)


def fill_attention(spec: attention_spec.MultiHeadAttentionSpec, width: int) -> None:
    """Fill queries, keys, values and output: the first are one matrix in self-attention, two in the other."""
    fill_norm(spec.layer_norm, width)
    heights = [3 * width, width] if len(spec.linear) == 2 else [width, 2 * width, width]
    for linear, height in zip(spec.linear, heights, strict=True):
        fill_linear(linear, height, width)


def fill_feed_forward(spec: transformer_spec.FeedForwardSpec, width: int, feed_forward: int) -> None:
    """Fill the two matrices of a feed-forward layer."""
    fill_norm(spec.layer_norm, width)
    fill_linear(spec.linear_0, feed_forward, width)
    fill_linear(spec.linear_1, width, feed_forward)


def untrained(pieces: list[str], *, layers: int, width: int, feed_forward: int, heads: int) -> TransformerSpec:
    """Return a Transformer with random weights over a shared vocabulary."""
    spec = TransformerSpec.from_config(layers, heads)
    embeddings = random.normal(0, width**-0.5, (len(pieces), width)).astype(np.float32)
    spec.encoder.embeddings[0].weight = embeddings
    spec.decoder.embeddings.weight = embeddings
    spec.decoder.projection.weight = embeddings
    for part in (spec.encoder, spec.decoder):
        fill_norm(part.layer_norm, width)
        for layer in part.layer:
            fill_attention(layer.self_attention, width)
            fill_feed_forward(layer.ffn, width, feed_forward)
    for layer in spec.decoder.layer:
        fill_attention(layer.attention, width)
    spec.register_source_vocabulary(pieces)
    spec.register_target_vocabulary(pieces)
    return spec


def parameters(spec: TransformerSpec) -> int:
    """Count weights and biases; the matrix that both embeddings and the output share stands thrice in the spec."""
    arrays = [array for array in spec.variables().values() if isinstance(array, np.ndarray)]
    return sum(array.size for array in arrays) - 2 * spec.decoder.projection.weight.size


def main() -> None:
    """Write the model and, beside it, how many parameters it has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pieces", type=Path)
    parser.add_argument("folder", type=Path)
    for size in ("layers", "width", "feed-forward", "heads"):
        parser.add_argument(f"--{size}", type=int, required=True)
    options = vars(parser.parse_args())
    pieces, folder = json.loads(options.pop("pieces").read_text(encoding="utf-8")), options.pop("folder")
    spec = untrained(pieces, **options)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "parameters.json").write_text(json.dumps(parameters(spec)))
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(folder))


if __name__ == "__main__":
    main()
