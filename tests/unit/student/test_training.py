"""Training: what decides the result, what does not, and that a killed training ends like one that was not."""

import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from styledistill.config import Distill, Networks, Pretrain
from styledistill.core.errors import UserError
from styledistill.core.images import encode_png
from styledistill.core.tensors import from_uint8
from styledistill.perceptual import IMAGENET_STD, denormalize, normalize, vgg19_features
from styledistill.shards.read import PairDataset
from styledistill.shards.write import Pair, write_manifest, write_shard
from styledistill.student.distances import gram
from styledistill.student.distill import Distillation, distill
from styledistill.student.distributed import processes_for
from styledistill.student.epochs import epoch_order, mirrored, with_identities
from styledistill.student.loading import MicroBatch
from styledistill.student.losses import LossSettings, distillation_terms
from styledistill.student.model import Student
from styledistill.student.pretrain import Pools, Pretraining
from styledistill.student.schedules import Plateau, rate_factor
from styledistill.student.sttr import SIZES, STTR, STTRConfig, freeze_batch_norm, thaw_batch_norm
from styledistill.student.training import (
    Interrupted,
    StateFile,
    make_accelerator,
    parameter_groups,
    pieces,
    share_of,
    write_history,
)

SRC = Path(__file__).parents[3] / "src"

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
EPOCHS = {1: 12, 2: 8}  # of trainings that are stopped, by the number of their processes
# The same training in processes of its own that can be killed; it saves after each step instead of every two minutes.
KILLABLE = """
import json, sys
from pathlib import Path
import torch
from styledistill.config import Distill, Networks
from styledistill.student import training
from styledistill.student.distill import distill
from styledistill.student.distances import gram
from styledistill.student.distributed import run_in_processes

training.SAVE_SECONDS = 0.0
folder, settings, networks, state, processes = Path(sys.argv[1]), *sys.argv[2:]
torch.set_num_threads(1)
run_in_processes(int(processes))
settings, networks = Distill.model_validate_json(settings), Networks.model_validate_json(networks)
manifests = (folder / "train.json", folder / "val.json")
distill(folder / "start", manifests, {"pixel": 1.0}, settings, networks, 3, torch.device("cpu"), state)
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def vgg():
    return vgg19_features("seeded", 1)


def image(seed, size=32):
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3))
    return np.uint8(coarse.repeat(size // 4, 0).repeat(size // 4, 1))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return written(tmp_path_factory.mktemp("data"), 32)


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    return written(tmp_path_factory.mktemp("larger"), 64)


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
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# --- resuming ---------------------------------------------------------------------------------------------------


def start(program, *arguments):
    """`python program...` on the CPU, with a pipe for what it says."""
    environment = {**os.environ, "PYTHONPATH": str(SRC), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *map(str, (*program, *arguments))]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def said(process):
    """What it says until it ends; it must end."""
    try:
        return process.communicate(timeout=900)[1]
    finally:
        process.kill()


def finish(process):
    errors = said(process)
    assert process.returncode == 0, errors


def killable(data, root, processes, schedule):
    changes = {"stop_after": EPOCHS[processes]} if schedule == "plateau" else {"schedule": schedule}
    settings = SETTINGS.model_copy(update={"max_epochs": EPOCHS[processes], **changes})
    arguments = (data, settings.model_dump_json(), SEEDED.model_dump_json(), root, processes)
    return start(("-c", KILLABLE), *arguments)


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    """The last state of a training that was left alone, by the number of its processes and its schedule."""
    states = {}

    def state(*training):
        if training not in states:
            root = tmp_path_factory.mktemp("undisturbed")
            finish(killable(data, root, *training))
            (saved,) = root.glob("*/state.pt")
            states[training] = torch.load(saved, weights_only=True)
        return states[training]

    return state


def age(root):
    return max((path.stat().st_mtime_ns for path in root.glob("*/state.pt")), default=0)


def belong_to(root, rank=b""):
    """Numbers of the running processes that have `root` among their arguments; of one rank, where one is given."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments, environment = ((folder / name).read_bytes().split(b"\0") for name in ("cmdline", "environ"))
            if str(root).encode() in arguments and (not rank or b"RANK=" + rank in environment):
                found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "processes", "times", "schedule"),
    [
        (signal.SIGKILL, 1, 3, "plateau"),
        (signal.SIGTERM, 1, 1, "plateau"),
        (signal.SIGUSR1, 1, 1, "plateau"),
        (signal.SIGKILL, 1, 2, "cosine"),
        pytest.param(signal.SIGKILL, 2, 1, "plateau", marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, 2, 1, "plateau", marks=pytest.mark.long),
    ],
)
def test_a_stopped_training_ends_with_the_weights_of_one_that_was_not(
    data, tmp_path, undisturbed, number, processes, times, schedule
):
    for _ in range(times):
        before = age(tmp_path)
        process = killable(data, tmp_path, processes, schedule)
        while age(tmp_path) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.2))
        process.send_signal(number)
        errors = said(process)
        (saved,) = tmp_path.glob("*/state.pt")
        epoch = torch.load(saved, weights_only=True)["epoch"]
        assert epoch <= EPOCHS[processes], "stopped too late to test anything"
        if number != signal.SIGKILL:
            assert process.returncode == 128 + number
            assert errors.count(f"{number.name} received: state saved in {saved}") == 1
            assert "Traceback" not in errors
    deadline = time.monotonic() + 20
    while belong_to(tmp_path):
        assert time.monotonic() < deadline, "a process outlived the one that started it"
        time.sleep(0.05)
    finish(killable(data, tmp_path, processes, schedule))
    assert list(tmp_path.glob("*/state.pt")) == [saved], "the second try must find the first one's state"
    resumed, whole = torch.load(saved, weights_only=True), undisturbed(processes, schedule)
    assert resumed["rows"] == whole["rows"]
    assert resumed["epoch"] == EPOCHS[processes] + 1
    assert equal(resumed["model"], whole["model"])
    assert equal(resumed["best"], whole["best"])
    assert not list(tmp_path.glob("*/.*.part"))


@pytest.mark.slow
def test_all_processes_leave_when_one_is_asked_to(data, tmp_path):
    process = killable(data, tmp_path, 2, "plateau")
    while not age(tmp_path) and process.poll() is None:
        time.sleep(0.01)
    (second,) = belong_to(tmp_path, b"1")
    os.kill(second, signal.SIGUSR1)
    errors = said(process)
    assert process.returncode == 128 + signal.SIGUSR1, errors
    assert errors.count("SIGUSR1 received: state saved in") == 1


def test_only_the_main_process_writes_the_state(tmp_path):
    state = StateFile(tmp_path, {"seed": 1}, writes=False)
    state.save({"step": 7})
    assert not list(tmp_path.iterdir())
    StateFile(tmp_path, {"seed": 1}).save({"step": 8})
    assert state.load() == {"step": 8}


def test_the_state_belongs_to_what_decides_the_result(tmp_path):
    state = StateFile(tmp_path, {"seed": 1})
    state.save({"step": 7})
    assert StateFile(tmp_path, {"seed": 1}).load() == {"step": 7}
    assert StateFile(tmp_path, {"seed": 2}).load() is None


class LeavesAfterThree(Pools):
    """Pools whose third batch brings the cluster's warning."""

    def batch(self, seed, step, count, size):
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().batch(seed, step, count, size)


def test_a_pretraining_goes_on_where_it_was_stopped(tmp_path, vgg):
    pool = np.stack([image(number, 64) for number in range(6)])
    how = Pretrain(
        steps=5,
        batch=2,
        learning_rate=1e-3,
        learning_rate_backbone=1e-3,
        identity_weight=1,
        identity_batch=2,
        half_size=0.4,
    )

    def training(pools, folder):
        network = small_student().network
        thaw_batch_norm(network)
        accelerator = make_accelerator(CPU)
        return Pretraining(network, vgg, pools, how, 5, accelerator, StateFile(tmp_path / folder, {}))

    whole = training(Pools(pool, pool, 64), "whole")
    rows = whole.run()
    with pytest.raises(Interrupted) as left:
        training(LeavesAfterThree(pool, pool, 64), "stopped").run()
    assert left.value.code == 143
    resumed = training(Pools(pool, pool, 64), "stopped")
    assert resumed.step == 3
    assert resumed.run() == rows
    assert equal(resumed.network.state_dict(), whole.network.state_dict())
    freeze_batch_norm(resumed.network)
    assert resumed.network.state_dict().keys() == STTR(SMALL).state_dict().keys()


def test_without_pairs_a_pretraining_learns_to_reproduce(tmp_path):
    pool = np.stack([image(number, 64) for number in range(6)])
    how = Pretrain(
        steps=80,
        batch=0,
        identity_batch=4,
        identity_weight=1,
        learning_rate=3e-3,
        learning_rate_backbone=3e-3,
        clip=1,
        half_size=1,
    )
    network = small_student().network
    thaw_batch_norm(network)
    never = torch.nn.Module()  # no pair is stylized, so VGG19 is not asked
    rows = Pretraining(
        network, never, Pools(pool, pool, 64), how, 5, make_accelerator(CPU), StateFile(tmp_path, {})
    ).run()
    assert [(row["content"], row["style"]) for row in rows] == [(0, 0)] * 4
    assert rows[3]["identity"] < 0.8 * rows[0]["identity"]


# --- several processes ------------------------------------------------------------------------------------------

UNEVEN = SETTINGS.model_copy(update={"batch": 3, "micro_batch": 1})  # shares of 2 and 1 pairs, at last of 1 and none
GRAM = {"pixel": 0.7, "gram": 0.3}
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--")


def script(data, tmp_path, *options, before=()):
    return start(
        (*before, SRC / "steps/distill.py"),
        *("--train", data / "train.json", "--val", data / "val.json", "--start", data / "start"),
        *("--settings", UNEVEN.model_dump_json(), "--networks", SEEDED.model_dump_json(), "--loss", json.dumps(GRAM)),
        *("--seed", 3, "--device", "cpu", "--state", tmp_path / "state", "--out", tmp_path / "out"),
        *options,
    )


@pytest.fixture(scope="module")
def alone(larger, tmp_path_factory):
    return run(larger, tmp_path_factory.mktemp("alone"), GRAM, UNEVEN)


@pytest.mark.slow
@pytest.mark.parametrize(("options", "before"), [(("--processes", 2), ()), ((), TORCHRUN)], ids=["own", "torchrun"])
def test_two_processes_make_the_student_of_one(larger, tmp_path, alone, options, before):
    process = script(larger, tmp_path, *options, before=before)
    errors = said(process)
    assert process.returncode == 0, errors
    out = tmp_path / "out"
    names = {"student.safetensors", "config.json", "last.safetensors", "history.csv", "distill.run.json"}
    assert {path.name for path in out.iterdir()} == names
    assert json.loads((out / "distill.run.json").read_text())["processes"] == 2
    assert errors.count("epoch 1:") == 1, "only the main process speaks"

    constant = json.loads((out / "config.json").read_text())["gram_constant"]
    assert constant == pytest.approx(alone.student.facts["gram_constant"], rel=1e-5)
    with (out / "history.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == [pytest.approx(row, rel=1e-5) for row in alone.rows]
    # Sums of float32 in another order: every tensor to 1e-5 of its norm.
    weights = load_file(out / "last.safetensors")
    assert weights.keys() == alone.last.keys()
    for name, one in alone.last.items():
        two = weights[name]
        if name.endswith("in_proj_bias"):
            # Attention does not see the keys' biases: their gradient is rounding, which Adam makes steps of.
            one, two = (value.unflatten(0, (3, -1))[[0, 2]] for value in (one, two))
        assert (one - two).double().norm() <= 1e-5 * one.double().norm(), name


@pytest.mark.slow
def test_a_mistake_is_said_once_by_two_processes(data, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    (broken / "train" / "0000.tar").write_bytes(b"")
    process = script(broken, tmp_path, "--processes", 2)
    errors = said(process)
    assert process.returncode == 1
    assert errors.startswith("error:")
    assert errors.count("not the shard that") == 1
    assert not (tmp_path / "out").exists()


def test_a_training_has_a_process_for_each_gpu_that_has_a_pair(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [processes_for(device, 8) for device in ("auto", "cuda", "cuda:1", "cpu")] == [4, 4, 1, 1]
    assert processes_for("auto", 2) == 2
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert processes_for("auto", 8) == 1


# --- memory and precision ---------------------------------------------------------------------------------------


def kept_bytes(compute):
    """Bytes that a forward pass keeps for the backward pass."""
    kept = {}

    def pack(value):
        kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        result = compute()
    del result
    return sum(kept.values())


def test_gradient_checkpointing_keeps_less_and_gives_the_same_gradients(data, tmp_path):
    plain = training(data, tmp_path, {"pixel": 1.0}, clip=1e9)
    frugal = training(data, tmp_path, {"pixel": 1.0}, clip=1e9, gradient_checkpointing=True)
    pairs = torch.stack([plain.train[number] for number in range(4)])
    kept = [kept_bytes(lambda new=new: new._terms(MicroBatch(pairs))) for new in (plain, frugal)]
    assert kept[1] < 0.7 * kept[0]
    for new in (plain, frugal):
        new._advance([MicroBatch(pairs[:2]), MicroBatch(pairs[2:])], 4)
    assert frugal.network.state_dict().keys() == plain.network.state_dict().keys()
    for (name, got), want in zip(frugal.network.named_parameters(), plain.network.parameters(), strict=True):
        assert torch.equal(got.grad, want.grad), name


def test_bfloat16_trains_on_a_cpu_and_stays_near_float32(larger, tmp_path):
    whole, half = (
        run(larger, tmp_path, settings=SETTINGS.model_copy(update={"max_epochs": 6, "dtype": dtype})).rows
        for dtype in ("float32", "bfloat16")
    )
    assert half != whole
    assert half[-1]["train_loss"] < 0.9 * half[0]["train_loss"]
    for row, exact in zip(half, whole, strict=True):
        assert row["val_loss"] == pytest.approx(exact["val_loss"], rel=0.02)


def test_float16_needs_a_gpu():
    with pytest.raises(UserError, match="float16 trains on a GPU only"):
        make_accelerator(CPU, "float16")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("per_image", [True, False])
def test_gradients_of_gram_matrices_are_those_of_the_plain_product(layout, per_image):
    random = torch.Generator().manual_seed(3)
    made = torch.rand(2, 3, 4, 5, generator=random, dtype=torch.double).to(memory_format=layout)
    pull = torch.rand(2, 3, 3, generator=random) if per_image else torch.rand(6, 6, generator=random)
    features = made.clone(memory_format=torch.preserve_format).requires_grad_(True)
    (gram(features, "hw", per_image) * pull).sum().backward()
    plain = made.clone().requires_grad_(True)
    rows = plain.flatten(2) if per_image else plain.reshape(6, 20)
    (rows @ rows.mT / (20 if per_image else 40) * pull).sum().backward()
    torch.testing.assert_close(features.grad, plain.grad)


def test_gram_matrices_are_finite_in_half_precision():
    features = torch.full((1, 2, 256, 256), 3.0, dtype=torch.float16)
    with torch.autocast("cpu", torch.float16):
        assert gram(features, "hw").tolist() == [[[9.0, 9.0], [9.0, 9.0]]]


def scaled(data, tmp_path, **changes):
    """A training whose losses are scaled as those of float16 are."""
    accelerator = make_accelerator(CPU)
    accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**4, growth_interval=2)
    return training(data, tmp_path, {"pixel": 1.0}, accelerator=accelerator, **changes)


def test_a_scaled_training_goes_on_with_its_scale(data, tmp_path):
    new = scaled(data, tmp_path)
    for _ in range(3):
        new._advance([MicroBatch(new.train[0][None])], 1)
    new.state.save(new._snapshot())
    assert new.accelerator.scaler.get_scale() == 2.0**5
    assert scaled(data, tmp_path).accelerator.scaler.get_scale() == 2.0**5


def test_a_gradient_that_stays_infinite_ends_the_training(data, tmp_path):
    new = scaled(data, tmp_path)
    with torch.no_grad():
        new.network.tail[11].bias.fill_(float("inf"))
    with pytest.raises(UserError, match="gradient is not finite"):
        for _ in range(10):
            new._advance([MicroBatch(new.train[0][None])], 1)
    assert new.accelerator.scaler.get_scale() < 1


# --- the recipe -------------------------------------------------------------------------------------------------


def training(data, tmp_path, weights, vgg=None, accelerator=None, **changes):
    train, val = PairDataset(data / "train.json"), PairDataset(data / "val.json")
    settings = SETTINGS.model_copy(update=changes)
    state, accelerator = StateFile(tmp_path, {}), accelerator or make_accelerator(CPU)
    new = Distillation(small_student().network, train, val, weights, settings, 3, accelerator, state)
    new.prepare(LossSettings(vgg or torch.nn.Identity()))
    return new


def test_the_gradient_is_that_of_the_weighted_sum(data, tmp_path, vgg):
    weights = {"pixel": 0.7, "gram": 0.3, "tv": 0.1}
    new = training(data, tmp_path, weights, vgg, clip=1e9)
    reference = small_student().network.eval()
    pairs = torch.stack([new.train[number] for number in range(4)])
    new._advance([MicroBatch(pairs[:2]), MicroBatch(pairs[2:])], 4)

    content, style, target = pairs.unbind(1)
    images = denormalize(reference(normalize(content), normalize(style)))
    terms = distillation_terms(images, content, style, target, weights, new.loss)
    sum(weight * terms[name] for name, weight in weights.items()).backward()
    for (name, got), want in zip(new.network.named_parameters(), reference.parameters(), strict=True):
        scale = want.grad.abs().max() + 1e-8
        assert (got.grad - want.grad).abs().max() / scale < 1e-3, name
    assert new.sums["share_pixel"] + new.sums["share_gram"] + new.sums["share_tv"] == pytest.approx(1)


def test_matched_terms_pull_as_their_weights_say(data, tmp_path, vgg):
    new = training(data, tmp_path, {"pixel": 0.5, "gram": 0.5}, vgg, learning_rate=0, learning_rate_backbone=0)
    for number in range(0, 8, 4):
        new._advance([MicroBatch(torch.stack([new.train[n] for n in range(number, number + 4)]))], 4)
    assert new.sums["share_gram"] / 2 == pytest.approx(0.5, abs=0.1)
    assert new.gram_constant > 10


def test_the_constant_is_the_same_for_every_loss(data, tmp_path, vgg):
    constants = {
        training(data, tmp_path / str(pixel), {"pixel": pixel, "gram": 1 - pixel}, vgg).gram_constant
        for pixel in (0.5, 0.7)
    }
    assert len(constants) == 1


def test_the_split_of_a_batch_changes_nothing(data, tmp_path):
    whole = run(data, tmp_path, settings=SETTINGS.model_copy(update={"micro_batch": None, "max_epochs": 1}))
    parts = run(data, tmp_path, settings=SETTINGS.model_copy(update={"micro_batch": 1, "max_epochs": 1}))
    assert whole.rows[0]["val_loss"] == pytest.approx(parts.rows[0]["val_loss"], rel=1e-4)


def test_distillation_learns_keeps_the_best_and_leaves_statistics_alone(data, tmp_path):
    done = run(data, tmp_path, settings=SETTINGS.model_copy(update={"max_epochs": 8}))
    losses = [row["val_loss"] for row in done.rows]
    assert done.rows[-1]["train_loss"] < 0.9 * done.rows[0]["train_loss"]
    assert done.student.facts["epoch"] == 1 + losses.index(min(losses))
    start = Student.from_pretrained(data / "start").network.state_dict()
    statistics = [name for name in start if "running" in name]
    assert statistics
    assert all(torch.equal(start[name], done.last[name]) for name in statistics)
    moved = [name for name, value in start.items() if not torch.equal(value, done.last[name])]
    assert any(name.startswith("backbone_style") for name in moved)
    assert "tail.0.net.0.weight" in moved, "the affine part of the tail's batch norm trains"


def test_a_loss_of_pixels_needs_no_network(data, tmp_path):
    nowhere = Networks(vgg19="/nowhere/vgg.pth", alexnet="/nowhere/alex.pth", inception="/nowhere/fid.pth")
    settings = SETTINGS.model_copy(update={"max_epochs": 1})
    manifests = (data / "train.json", data / "val.json")
    distill(data / "start", manifests, {"pixel_l1": 1.0, "tv": 0.1}, settings, nowhere, 3, CPU, tmp_path)


def test_an_epoch_visits_every_pair_once_in_an_order_of_its_own():
    assert sorted(epoch_order(1, 1, 50)) == list(range(50))
    assert epoch_order(1, 1, 50) == epoch_order(1, 1, 50)
    assert epoch_order(1, 1, 50) != epoch_order(1, 2, 50) != epoch_order(2, 2, 50)


def test_mirroring_takes_the_three_images_of_a_pair_together():
    pairs = from_uint8(np.stack([image(number) for number in range(48)])).unflatten(0, (16, 3))
    turned = mirrored(pairs, list(range(16)), 1, 1)
    whole = [torch.equal(new, old.flip(-1)) for new, old in zip(turned, pairs, strict=True)]
    same = [torch.equal(new, old) for new, old in zip(turned, pairs, strict=True)]
    assert all(one != other for one, other in zip(whole, same, strict=True))
    assert 3 < sum(whole) < 13
    # It hangs on the pair, not on its place in a batch.
    assert torch.equal(mirrored(pairs[[5]], [5], 1, 1)[0], turned[5])


def test_identities_have_their_style_as_content_and_target():
    pairs = from_uint8(np.stack([image(number) for number in range(48)])).unflatten(0, (16, 3))
    shown = with_identities(pairs, list(range(16)), 0.5, 1, 1)
    identities = [torch.equal(new, old[1].expand_as(old)) for new, old in zip(shown, pairs, strict=True)]
    same = [torch.equal(new, old) for new, old in zip(shown, pairs, strict=True)]
    assert all(one != other for one, other in zip(identities, same, strict=True))
    assert 3 < sum(identities) < 13
    # It hangs on the pair, not on its place in a batch, nor on which are mirrored.
    assert torch.equal(with_identities(pairs[[5]], [5], 0.5, 1, 1)[0], shown[5])
    assert identities != [bool(np.random.default_rng([1, 1, number]).integers(2)) for number in range(16)]
    assert torch.equal(with_identities(pairs, list(range(16)), 0.0, 1, 1), pairs)


def test_identities_of_a_training_change_what_it_learns(data, tmp_path):
    outcomes = [
        run(data, tmp_path / str(share), settings=SETTINGS.model_copy(update={"max_epochs": 1, "identity": share}))
        for share in (0.0, 0.5)
    ]
    assert outcomes[0].rows[0]["train_loss"] != outcomes[1].rows[0]["train_loss"]


def plateau(losses, patience, stop_after):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    rule = Plateau(optimizer, Distill(factor=0.5, patience=patience, stop_after=stop_after))
    stops = []
    for loss in losses:
        rule.after_epoch(loss)
        stops.append(rule.stopped)
    return stops.index(True) + 1 if True in stops else None, optimizer.param_groups[0]["lr"]


def test_training_stops_after_a_reduction_that_brought_no_new_best():
    # Best in epoch 2, reduced after the third epoch without a new best (5), stopped 4 epochs later (9).
    assert plateau([2, 1, 1, 1, 1, 1, 1, 1, 1, 1], patience=2, stop_after=4) == (9, 0.25)
    # A new best in epoch 7 clears the count: reduced again in 10, stopped in 14.
    assert plateau([2, 1, 1, 1, 1, 1, 0.5, *[1] * 8], patience=2, stop_after=4)[0] == 14
    # Always better: no reduction, no stop.
    assert plateau([1 / n for n in range(1, 20)], patience=2, stop_after=4) == (None, 1.0)


def test_the_rate_warms_up_and_cools_down():
    factors = [rate_factor(step, 100) for step in range(100)]
    assert factors[:2] == [0.5, 1.0]
    assert factors[1:] == sorted(factors[1:], reverse=True)
    assert factors[-1] < 0.001


def test_a_cosine_lowers_both_rates_in_every_step_and_has_no_early_end(data, tmp_path):
    changes = {"schedule": "cosine", "learning_rate_backbone": 1e-4, "max_epochs": 6}
    rows = run(data, tmp_path, settings=SETTINGS.model_copy(update=changes)).rows
    lasts = [rate_factor(3 * epoch - 1, 18) for epoch in range(1, 7)]  # three batches of up to four of the ten pairs
    assert [row["rate"] for row in rows] == pytest.approx([1e-3 * factor for factor in lasts])
    assert [row["rate_backbone"] for row in rows] == pytest.approx([1e-4 * factor for factor in lasts])
    assert lasts == sorted(lasts, reverse=True)
    assert lasts[-1] < 0.01


def test_a_cosine_reads_no_rule_of_the_plateau():
    assert Distill(schedule="cosine", patience=2).schedule == "cosine"  # the default, as in a stored configuration
    with pytest.raises(ValidationError, match="patience: the schedule cosine does not read it"):
        Distill(schedule="cosine", patience=3)


def test_the_backbones_have_their_own_rate_and_the_authors_parameters_train():
    with torch.device("meta"):
        groups = parameter_groups(STTR(SIZES["full"]), 1e-4, 1e-5)
    counts = {group["lr"]: sum(parameter.numel() for parameter in group["params"]) for group in groups}
    assert counts == {1e-4: 45_197_827 - 24_444_928, 1e-5: 24_444_928}


def test_processes_share_a_batch_without_gap_or_overlap():
    class Rank:
        num_processes = 3

        def __init__(self, process_index):
            self.process_index = process_index

    shares = [share_of(list(range(8)), Rank(index)) for index in range(3)]
    assert sorted(number for share in shares for number in share) == list(range(8))
    assert pieces(shares[0], 2) == [[0, 3], [6]]


def test_equal_histories_are_equal_bytes(tmp_path):
    rows = [{"epoch": 1, "loss": 1 / 3}, {"epoch": 2, "loss": 2.0}]
    write_history(tmp_path / "history.csv", rows)
    assert (tmp_path / "history.csv").read_text() == "epoch,loss\n1,0.3333333\n2,2\n"


class Shown:
    """What a tracker was given."""

    def __init__(self):
        self.rows, self.grids = [], {}

    def row(self, row):
        self.rows.append(row)

    def images(self, epoch, grid):
        self.grids[epoch] = grid


def test_a_tracker_hears_the_rows_again_when_a_training_goes_on(data, tmp_path):
    first, again = Shown(), Shown()
    for epochs, tracker in ((1, first), (2, again)):
        state = tmp_path / "state"
        settings = SETTINGS.model_copy(update={"max_epochs": epochs})
        assert run(data, state, settings=settings, tracker=tracker).rows == tracker.rows
    assert [row["epoch"] for row in again.rows] == [1, 2]


def test_a_tracker_is_shown_validation_pairs_and_changes_no_bit_of_the_result(data, tmp_path):
    tracker = Shown()
    shown = run(data, tmp_path / "shown", tracker=tracker)
    alone = run(data, tmp_path / "alone")
    assert shown.rows == alone.rows
    assert all(torch.equal(weight, alone.last[name]) for name, weight in shown.last.items())
    assert sorted(tracker.grids) == [row["epoch"] for row in shown.rows]
    for grid in tracker.grids.values():
        assert grid.shape == (4 * 32, 4 * 32, 3)
        assert (grid[:32, :32] == image(100)).all() and (grid[32:64, 32:64] == image(1101)).all()
    teacher, student = (np.stack([grid[:, a:b] for grid in tracker.grids.values()]) for a, b in ((64, 96), (96, 128)))
    errors = np.square((student / 255.0 - teacher / 255.0) / IMAGENET_STD).mean((1, 2, 3)).tolist()
    assert errors == pytest.approx([row["val_pixel"] for row in shown.rows], rel=0.02)


def test_what_does_not_decide_the_result_does_not_change_its_key(data, tmp_path):
    for change in ({}, {"workers": 1}, {"gradient_checkpointing": True}, {"tracker": "wandb"}):
        run(data, tmp_path, settings=SETTINGS.model_copy(update={"max_epochs": 1, **change}))
    assert len(list(tmp_path.glob("*/state.pt"))) == 1


def test_the_key_says_what_decides(tmp_path):
    state = StateFile(tmp_path, {"seed": 1})
    assert json.loads((state.folder / "key.json").read_text()) == {"seed": 1}


def test_a_damaged_state_counts_as_none(tmp_path, capsys):
    """torch takes a flipped bit of a tensor for a number."""
    state = StateFile(tmp_path, {"seed": 1})
    state.save({"weight": torch.arange(1000.0)})
    assert torch.equal(state.load()["weight"], torch.arange(1000.0))
    data = bytearray(state.path.read_bytes())
    data[len(data) // 2] ^= 1
    state.path.write_bytes(data)
    assert state.load() is None
    assert "damaged" in capsys.readouterr().err
    state.path.write_bytes(data[:20])
    assert state.load() is None
