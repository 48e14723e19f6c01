"""A training of seconds: a small student, pairs whose target mixes content and style, and settings."""

import numpy as np
import torch

from styledistill.config import Distill, Networks
from styledistill.core.images import encode_png
from styledistill.shards.read import PairDataset
from styledistill.shards.write import Pair, write_manifest, write_shard
from styledistill.student.distill import Distillation, distill
from styledistill.student.losses import LossSettings
from styledistill.student.model import Student
from styledistill.student.sttr import STTR, STTRConfig
from styledistill.student.training import StateFile, make_accelerator

SMALL = STTRConfig(
    width=16,
    heads=2,
    encoder_layers=1,
    decoder_layers=1,
    feedforward=16,
    dropout=0.0,
    content_stem=4,
    style_stem=4,
    content_blocks=(1, 1),
    style_blocks=(1, 1, 1, 1),
    tail=(16, 8, 8),
    train_stem=True,
)
CPU = torch.device("cpu")
SEEDED = Networks(vgg19="seeded", alexnet="seeded", inception="seeded")
SETTINGS = Distill(batch=4, micro_batch=2, max_epochs=3, learning_rate=1e-3, clip=1.0, flip=True)


def image(seed, size=32):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3))
    return np.uint8(coarse.repeat(size // 4, 0).repeat(size // 4, 1))


def written(folder, size):
    """A folder with a start student and 10 training and 4 validation pairs whose target mixes content and style."""
    for split, count, first in (("train", 10, 0), ("val", 4, 100)):
        pairs = []
        for number in range(first, first + count):
            content, style = image(number, size), image(1000 + number, size)
            target = np.uint8(content * 0.5 + style.mean((0, 1)) * 0.5)
            pairs.append(Pair(f"{split}_{number}", *map(encode_png, (content, style, target)), {}, {}))
        write_shard(folder / split / "0000.tar", pairs)
        write_manifest(folder / f"{split}.json", split, count, [folder / split / "0000.tar"])
    small_student().save(folder / "start")
    return folder


def small_student(seed=1):
    torch.manual_seed(seed)
    return Student(STTR(SMALL))


def run(data, state, weights=None, settings=SETTINGS, tracker=None):
    manifests = (data / "train.json", data / "val.json")
    return distill(data / "start", manifests, weights or {"pixel": 1.0}, settings, SEEDED, 3, CPU, state, tracker)


def equal(one, other):
    """Whether two state dicts hold the same tensors under the same names."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def training(data, tmp_path, weights, vgg=None, accelerator=None, **changes):
    train, val = PairDataset(data / "train.json"), PairDataset(data / "val.json")
    settings = SETTINGS.model_copy(update=changes)
    state, accelerator = StateFile(tmp_path, {}), accelerator or make_accelerator(CPU)
    new = Distillation(small_student().network, train, val, weights, settings, 3, accelerator, state)
    new.prepare(LossSettings(vgg or torch.nn.Identity()))
    return new
