"""What the authors' own InST says of tiny networks: writes fixtures/inst_tiny.npz and inst_tiny.json.

    git clone https://github.com/zyxElsa/InST
    pip install einops omegaconf transformers==4.36.2 diffusers==0.25.1 huggingface_hub==0.24.7
    python tests/parity/make_inst.py InST

Not part of a test. Their LatentDiffusion, FrozenCLIPEmbedder, EmbeddingManager, UNetModel and DDIMSampler run as they
are, and so does `main` of their notebook. What they import and these numbers do not need is replaced by empty modules:
pytorch_lightning, taming, clip, kornia. Stand-ins are the first stage (given latents) and the weights (`fill.py`'s).
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import types
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fill import fill, filled, seeded_image, unit
from PIL import Image
from torch import Tensor, nn

HERE = Path(__file__).resolve().parent
WIDTH = 768  # of text and image features: their EmbeddingManager knows no other
UNET = {
    "image_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 32,
    "attention_resolutions": [2, 1],
    "num_res_blocks": 1,
    "channel_mult": [1, 2],
    "num_heads": 4,
    "use_spatial_transformer": True,
    "context_dim": WIDTH,
    "legacy": False,
}
TEXT = {
    "vocab_size": 5,
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "projection_dim": WIDTH,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 16,
    "projection_dim": WIDTH,
}
VOCABULARY = {"<|startoftext|>": 0, "<|endoftext|>": 1, "*": 2, "*</w>": 3, "!</w>": 4}
RATE = 1e-3
CASES = {
    "default": {"ddim_steps": 50, "strength": 0.7},
    "weak": {"ddim_steps": 20, "strength": 0.45},
    "no_adain": {"ddim_steps": 10, "strength": 0.7},
}


def main(program: Path) -> None:
    """Run every case and write both fixtures."""
    sys.path.insert(0, str(program))
    _replace_imports()
    arrays: dict[str, Tensor] = {}
    facts: dict[str, Any] = {
        "program": f"tests/parity/{Path(__file__).name}, on zyxElsa/InST at 71a8f01",
        "versions": {name: version(name) for name in ("torch", "numpy", "transformers", "diffusers")},
        "unet_config_ldm": UNET,
        "text_config": TEXT,
        "vision_config": VISION,
        "vocabulary": VOCABULARY,
        "weights": "fill.py's rule; prefixes inst/unet/ (diffusers' names), inst/clip/, inst/attention/",
        "latents": "unit('inst/content' and 'inst/style', (1, 4, 8, 8)); the style's times 1.3, plus 0.4",
        "learning": {"rate": RATE, "steps": 4, "seeds": "torch.manual_seed(1000 + step) before each"},
        "cases": CASES,
        "seed": 42,
    }
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where the notebook leaves its images
        model = _latent_diffusion(Path(folder))
        facts["values_that_clip_sees"] = _features(model, arrays)
        _embedding(model, arrays)
        _learning(model, arrays, facts)
        _sampling(model, program, Path(folder), arrays)
    found = {name: value.detach().float().numpy() for name, value in arrays.items()}
    np.savez_compressed(HERE / "fixtures/inst_tiny.npz", **found)
    facts["arrays"] = {name: list(value.shape) for name, value in found.items()}
    (HERE / "fixtures/inst_tiny.json").write_text(json.dumps(facts, indent=1) + "\n")


def latents() -> tuple[Tensor, Tensor]:
    """Of content and style."""
    content, style = (torch.from_numpy(unit(f"inst/{name}", (1, 4, 8, 8))).float() for name in ("content", "style"))
    return content, style * 1.3 + 0.4


def _replace_imports() -> None:
    class LightningModule(nn.Module):
        device = torch.device("cpu")

    def seed_everything(seed: int) -> None:
        torch.manual_seed(seed)

    empty = {
        "pytorch_lightning": {"LightningModule": LightningModule, "seed_everything": seed_everything},
        "pytorch_lightning.utilities": {},
        "pytorch_lightning.utilities.distributed": {"rank_zero_only": lambda function: function},
        "taming.modules.vqvae.quantize": {"VectorQuantizer": None},
        "clip": {},
        "kornia": {},
    }
    for name, values in empty.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(values)
    from ldm.models.diffusion import ddim

    ddim.DDIMSampler.register_buffer = lambda self, name, value: setattr(self, name, value)  # theirs wants a GPU


class GivenLatents(nn.Module):
    """In place of the autoencoder: hands out the latents that it was told, keeps what it is to decode."""

    def __init__(self) -> None:
        super().__init__()
        self.turn: list[Tensor] = []
        self.decoded: list[Tensor] = []

    def encode(self, images: Tensor) -> Tensor:
        return self.turn.pop(0)

    def decode(self, latent: Tensor) -> Tensor:
        self.decoded.append(latent)
        return torch.zeros(1, 3, 8, 8)


def _latent_diffusion(folder: Path) -> Any:
    from ldm.util import instantiate_from_config
    from omegaconf import OmegaConf

    _save_clip(folder)
    vars(sys.modules["pytorch_lightning"])["GivenLatents"] = GivenLatents
    base = OmegaConf.load(Path(sys.path[0]) / "configs/stable-diffusion/v1-finetune.yaml").model
    base.params.scale_factor = 1.0
    base.params.unet_config.params = {**UNET, "use_checkpoint": True}
    base.params.first_stage_config = {"target": "pytorch_lightning.GivenLatents", "params": {}}
    base.params.cond_stage_config.params = {"version": str(folder), "device": "cpu"}
    model = instantiate_from_config(base)
    _fill_unet(model.model.diffusion_model)
    fill(model.embedding_manager.attention, prefix="inst/attention/")
    return model


def _save_clip(folder: Path) -> None:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(images, tokenizer).save_pretrained(folder)
    clip = CLIPModel(CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=WIDTH))
    shapes = {name: tuple(value.shape) for name, value in clip.named_parameters() if value.ndim}
    weights = {name: filled(f"inst/clip/{name}", shape) for name, shape in shapes.items()}
    clip.load_state_dict(weights, strict=False)
    clip.save_pretrained(folder)


def _fill_unet(unet: nn.Module) -> None:
    """By diffusers' names of their weights: its converter is told from each weight's number which one it is."""
    from diffusers.pipelines.stable_diffusion.convert_from_ckpt import convert_ldm_unet_checkpoint

    shapes = {name: tuple(value.shape) for name, value in unet.state_dict().items()}
    numbered = {
        f"model.diffusion_model.{name}": torch.full(shape, float(number))
        for number, (name, shape) in enumerate(shapes.items())
    }
    names = list(shapes)
    converted = convert_ldm_unet_checkpoint(
        numbered, {"layers_per_block": 1, "class_embed_type": None, "addition_embed_type": None}
    )
    theirs = {names[int(value.flatten()[0])]: name for name, value in converted.items()}
    unet.load_state_dict({name: filled(f"inst/unet/{theirs[name]}", shape) for name, shape in shapes.items()})


def _features(model: Any, arrays: dict[str, Tensor]) -> list[int]:
    """What their CLIP makes of an image in [-1, 1], and the levels of the image that it is shown."""
    shown: list[Tensor] = []
    clip = model.cond_stage_model
    given = clip.processor

    def spy(images: Image.Image, **more: Any) -> Any:
        shown.append(np.asarray(images))
        return given(images=images, **more)

    clip.processor = spy
    image = seeded_image("inst/image", 32, 32) * 2 - 1
    keep = clip.image_encoder.register_forward_hook(lambda *call: arrays.update(features=call[2].image_embeds))
    with torch.no_grad():
        model.embedding_manager.eval()
        arrays["prompt"] = model.get_learned_conditioning(["*"], image)
        arrays["empty_prompt"] = model.get_learned_conditioning([""], image)
    keep.remove()
    clip.processor = given
    # 77 tokens of 768 channels each are many numbers: of every token the first eight.
    for name in ("prompt", "empty_prompt"):
        arrays[f"{name}_first_channels"] = arrays.pop(name)[..., :8]
    return np.unique(shown).tolist()


def _embedding(model: Any, arrays: dict[str, Tensor]) -> None:
    attention, features = model.embedding_manager.attention, arrays["features"].view(1, 1, WIDTH)
    with torch.no_grad():
        arrays["embedding"] = attention.eval()(features, features)
        torch.manual_seed(5)
        arrays["embedding_dropout"] = attention.train()(features, features)


def _learning(model: Any, arrays: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Four steps of AdamW on the attention, as `training_step` makes them."""
    model.learning_rate = RATE
    optimizer = model.configure_optimizers()
    facts["learning"]["optimizer"] = {key: optimizer.defaults[key] for key in ("betas", "eps", "weight_decay")}
    image, (_, style) = seeded_image("inst/image", 32, 32) * 2 - 1, latents()
    model.train()
    losses = []
    for step in range(4):
        torch.manual_seed(1000 + step)
        loss, _ = model(style, ["*"], image)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    arrays["losses"] = torch.stack(losses)
    model.embedding_manager.eval()
    features = arrays["features"].view(1, 1, WIDTH)
    with torch.no_grad():
        arrays["learned_embedding"] = model.embedding_manager.attention(features, features)


def _sampling(model: Any, program: Path, folder: Path, arrays: dict[str, Tensor]) -> None:
    """Their notebook's `main`, with the embedding that was learned."""
    from ldm.models.diffusion.ddim import DDIMSampler

    pixels = seeded_image("inst/image", 32, 32)[0].permute(1, 2, 0).mul(255).round().byte().numpy()
    Image.fromarray(pixels).save(folder / "style.png")
    cells = json.loads((program / "InST.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells]
    model.eval()
    features = arrays["features"]
    model.cond_stage_model.image_encoder.register_forward_hook(
        lambda *call: call[2].__setitem__("image_embeds", features)  # of the image above, which `main` resizes
    )
    first_stage = model.first_stage_model
    model.decode_first_stage = first_stage.decode
    for name, settings in CASES.items():
        text = code[2]
        if name == "no_adain":
            text = text.replace("init_latent = adain(content_latent,style_latent)", "init_latent = content_latent")
        space: dict[str, Any] = {"sampler": DDIMSampler(model)}
        for part in (code[0], text):
            exec(part, space)
        content, style = latents()
        first_stage.turn, first_stage.decoded = [style, content], []
        started = space["sampler"].stochastic_encode

        def encode(start: Tensor, *more: Any, given: Any = started, case: str = name, **words: Any) -> Tensor:
            arrays[f"{case}_start"] = start
            arrays[f"{case}_predicted_noise"] = words["noise"]
            arrays[f"{case}_inverted"] = given(start, *more, **words)
            return arrays[f"{case}_inverted"]

        space["sampler"].stochastic_encode = encode
        style_file = str(folder / "style.png")
        space["main"](prompt="*", content_dir=style_file, style_dir=style_file, model=model, seed=42, **settings)
        arrays[f"{name}_final"] = first_stage.decoded[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
