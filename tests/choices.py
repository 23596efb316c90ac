"""What a recipe may choose of a network, one thing at a time and then many together."""

from typing import Any

CHOICES: dict[str, dict[str, Any]] = {
    "1 and 2 layers": {"encoder_layers": 1, "decoder_layers": 2},
    "2 and 3 layers": {"decoder_layers": 3},
    "rnn": {"cell": "rnn"},
    "gru": {"cell": "gru"},
    "lstm-norm": {"cell": "lstm-norm"},
    "unidirectional": {"encoder": "unidirectional", "residual": False},
    "convolutional": {"encoder": "convolutional"},
    "dot": {"attention": "dot"},
    "additive": {"attention": "additive"},
    "multi-head": {"attention": "multi-head", "heads": 2},
    "local": {"attention": "local", "window": 2},
    "hybrid": {"attention": "hybrid", "window": 2},
    "none": {"attention": "none"},
    "input feeding": {"input_feeding": True},
    "copying": {"copying": True},
    "all": {"copying": True, "input_feeding": True, "cell": "gru", "encoder": "convolutional", "attention": "hybrid"},
}
