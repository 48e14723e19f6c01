#!/usr/bin/env bash
# torch 2.15.0 (CPU, x86-64, Python 3.11), seen 2026-11-29.
#
# Subject: training a convolutional network with padding_mode="replicate" under torch.compile, on a CPU, in float32, with
# ordinary contiguous input.
#
# The forward pass and inference work. The first backward pass raises an AssertionError about strides in
# replication_pad2d_backward. Inductor lays the convolutions out with channels last; the kernel of this backward then
# answers with channels last too, while its shape function had promised rows, and the compiled code checks that. Reflected
# padding trains, and so does replicate padding once Inductor is told to leave layouts alone
# (torch._inductor.config.layout_optimization = False). Networks that stylize pad this way to avoid frames at the border.
#
# Output seen:
#   reflect    layouts chosen by Inductor   trains
#   replicate  layouts chosen by Inductor   AssertionError: expected size 16==16, stride 1==1024 at dim=1
#   replicate  layouts left as they are     trains
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3.11 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 numpy==2.4.6
TORCHINDUCTOR_CACHE_DIR="$place/cache" "$place/venv/bin/python" - <<'PY'
import logging

import torch
from torch import nn

import torch._inductor.config as inductor

logging.disable(logging.WARNING)


def outcome(padding: str, choose_layouts: bool) -> str:
    inductor.layout_optimization = choose_layouts
    torch._dynamo.reset()
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 3, padding=1, padding_mode=padding), nn.Conv2d(16, 16, 3))
    try:
        torch.compile(network)(torch.rand(1, 3, 32, 32)).sum().backward()
    except AssertionError as error:
        return f"AssertionError: {str(error).split(';')[0]}"
    return "trains"


seen = [
    ("reflect    layouts chosen by Inductor ", outcome("reflect", True)),
    ("replicate  layouts chosen by Inductor ", outcome("replicate", True)),
    ("replicate  layouts left as they are   ", outcome("replicate", False)),
]
for case, said in seen:
    print(case, said)
assert [said.startswith("AssertionError") for _, said in seen] == [False, True, False], "this version behaves otherwise"
PY
