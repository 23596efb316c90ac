"""Device, precision and processes of a training, through Lightning Fabric; serving imports none of it.

torchrun starts one process a device, on one machine or several. Each works through its share of every batch; gradients
are summed, so that all hold the same weights. Only the first validates, logs and saves.
"""

import os

import torch
from lightning_fabric import Fabric

from model.precision import available


def has_bf16(device: torch.device) -> bool:
    """Say whether it has instructions for bfloat16; on a processor without them oneDNN has no LSTM in it at all."""
    return "bfloat16" in available(device)


def open_fabric(device: torch.device, *, bf16: bool) -> Fabric:
    """Join the processes that torchrun started, each on a device of its own kind; without it, be alone on ``device``.

    ``bf16`` asks for autocast to bfloat16, which only a device with instructions for it gets (see model.cudnn); other
    GPUs multiply in TF32.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    everywhere = int(os.environ.get("WORLD_SIZE", here))
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    fabric = Fabric(
        accelerator=device.type,
        devices=here if device.type == "cpu" or everywhere > 1 else [device.index or 0],
        num_nodes=everywhere // here,
        strategy="ddp" if everywhere > 1 else "auto",
        precision="bf16-mixed" if bf16 and has_bf16(device) else "32-true",
    )
    fabric.launch()
    return fabric
