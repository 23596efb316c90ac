"""The encoder-decoder, with tied embeddings: an encoder's outputs are attended to by a recurrent decoder.

B sentences, S source positions, T target positions, R rows of all sentences, E embedding size, H hidden size, M size
of the memory, V pieces, Z state size.
"""

from typing import Final

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.copying import Copying
from model.decoder import Decoder, Grid
from model.encoder import Encoder
from model.int8 import Int8Product, Linear
from model.tokenizer import PAD


class Seq2Seq(nn.Module):
    """The network: ``forward`` for training, ``encode`` and ``decode_step`` for a search.

    ``pieces`` is the tokenizer's size V. Inputs are piece ids, int64, padded with PAD; lengths count real positions.
    """

    PAD: Final[int] = PAD  # TorchScript sees constants of the class alone

    def __init__(self, config: NetworkConfig, pieces: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(pieces, config.embedding_size, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        with torch.no_grad():
            self.embedding.weight[PAD].zero_()
        # Embeddings of unit norm suit the output layer they are tied with; inputs are lifted to unit variance.
        self.embedding_scale = config.embedding_size**0.5
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.bridge = Linear(config.hidden_size, self.decoder.state_size)
        self.output_bias = nn.Parameter(torch.zeros(pieces))
        self.int8_output = Int8Product()
        self.copying = Copying(config.embedding_size) if config.copying else None

    def quantize(self) -> None:
        """Multiply in int8 from now on: for serving on a CPU, never for training. Inputs stay within these bounds."""
        embedding_bound = float(self.embedding.weight.abs().max()) * self.embedding_scale
        encoder_bound = self.encoder.output_bound
        self.encoder.quantize(embedding_bound)
        self.bridge.quantize(encoder_bound)
        self.decoder.quantize(embedding_bound, encoder_bound)
        self.int8_output.pack(self.embedding.weight, self.output_bias, 1.0)
        if self.copying is not None:
            self.copying.quantize()

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher forcing: source (B, S), lengths (B), target (B, T) shifted right.

        Returns logits (B, T, V) and attention weights (B, T, S).
        """
        memory, state = self.encode(source, lengths)
        features, _, weights = self.decoder(self._embed(target), state, memory, source != self.PAD)
        return self._logits(features, weights, source), weights

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Read source (B, S) with lengths (B) → memory (B, S, M) and the decoder's first state (B, Z).

        In int8, S of the memory is that of the longest."""
        if self.int8_output.is_packed():  # its layers go from position to position, and are not slower at odd lengths
            source = source[:, : int(lengths.max())]
        encoded = self.encoder(self._embed(source), lengths)
        total = (encoded * (source != self.PAD).unsqueeze(-1)).sum(dim=1)
        state = torch.tanh(self.bridge(total / lengths.unsqueeze(1)))
        return self.decoder.attention.memorize(encoded), state

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, source: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Advance every row by one piece.

        pieces (R), state (R, Z), memory (B, S, M) of source (B, S); places (R) and width as in Grid → logits (R, V),
        state (R, Z) and attention weights (R, S).
        """
        features, state, weights = self.decoder(
            self._embed(pieces.unsqueeze(1)), state, memory, source != self.PAD, Grid(places, width)
        )
        if self.copying is not None:
            source = source.index_select(0, places // width)
        return self._logits(features, weights, source).squeeze(1), state, weights.squeeze(1)

    def _embed(self, pieces: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(pieces) * self.embedding_scale
        return embedded

    def _logits(self, features: Tensor, weights: Tensor, source: Tensor) -> Tensor:
        """Return the logits of features (N, T, E) that attended with weights (N, T, S) to source (N, S)."""
        if self.int8_output.is_packed():
            logits: Tensor = self.int8_output(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        else:
            logits = nn.functional.linear(features, self.embedding.weight, self.output_bias)
        if self.copying is not None:
            logits = self.copying(logits, features, weights, source)
        return logits
