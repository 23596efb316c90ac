"""What OpenNMT-py 3.5.1, of 2024, needs on today's PyTorch; import it before ``onmt``.

It asks for torch < 2.3, which pip finds with CUDA only, so it is installed without its dependencies: the decoding is
its own, the matrix products are of the very PyTorch that we run on. Two things are in the way:

- ``onmt`` imports every text transform at once, and three of them import packages that nothing here calls;
- ``torch.load`` refuses, since 2.6, the options in a checkpoint, unless told that their type is harmless.
"""

import argparse
import sys
import types

import torch

UNUSED = ("spacy", "fasttext", "ahocorasick")

for name in UNUSED:
    sys.modules.setdefault(name, types.ModuleType(name))
torch.serialization.add_safe_globals([argparse.Namespace])
