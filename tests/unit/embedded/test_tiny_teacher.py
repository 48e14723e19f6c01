"""The embedded teacher: its files, and the training that makes them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from styledistill.core.files import read_json, sha256_file
from styledistill.embedded import tiny_teacher

WEIGHTS = Path(__file__).parents[3] / "weights"


@pytest.mark.parametrize("name", ["tiny_teacher", "tiny_student", "micro", "micro_distilled"])
def test_the_weights_are_those_of_the_recipe(name):
    recipe = read_json(WEIGHTS / name / "recipe.json")
    assert recipe["sha256"], "a recipe without hashes proves nothing"
    assert {file: sha256_file(WEIGHTS / name / file) for file in recipe["sha256"]} == recipe["sha256"]
    files = {path.relative_to(WEIGHTS / name).as_posix() for path in (WEIGHTS / name).rglob("*.safetensors")}
    assert files == set(recipe["sha256"])


def test_latents_are_standardized_and_images_stay():
    torch.manual_seed(0)
    vae = tiny_teacher.build_vae()
    torch.nn.init.normal_(vae.quant_conv.bias, std=2.0)
    pool = np.random.default_rng(0).integers(0, 256, (32, 32, 32, 3), dtype=np.uint8)
    image = next(tiny_teacher.whole_batches(pool, 4))
    with torch.no_grad():
        before = vae.decode(vae.encode(image).latent_dist.mean).sample
        tiny_teacher.standardize_latents(vae, pool)
        after = vae.decode(vae.encode(image).latent_dist.mean).sample
        latents = tiny_teacher.encode_pool(vae, pool)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4)
    assert latents.mean((0, 2, 3)).abs().max() < 0.05
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.ones(tiny_teacher.LATENT_CHANNELS), rtol=0.05, atol=0)


def _train(state: Path, stop: int | None = None) -> torch.Tensor:
    """A linear fit of six steps; `stop` ends the process's part after so many saves."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 1)
    trainer = tiny_teacher.Trainer(dict(layer.named_parameters()), tiny_teacher.Schedule(6, 2, 0.1), state, seed=5)

    def loss(step: int, random: torch.Generator) -> torch.Tensor:
        inputs = torch.randn(2, 4, generator=random)
        return (layer(inputs) - inputs.sum(1, keepdim=True)).square().mean()

    for saves, _ in enumerate(trainer.run(loss, save_every=2), start=1):
        if saves == stop:
            break
    trainer.use_average()
    return layer.weight.detach()


def test_a_part_of_the_teacher_is_the_old_or_the_new_however_its_writer_ends(tmp_path, monkeypatch):
    old, new = tiny_teacher.build_vae(), tiny_teacher.build_vae()
    torch.nn.init.ones_(new.quant_conv.bias)
    tiny_teacher.save_half(old, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save = tiny_teacher.AutoencoderKL.save_pretrained

    def killed(vae, folder, **options):
        save(vae, folder, **options)
        for path in Path(folder).iterdir():
            path.write_bytes(path.read_bytes()[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(tiny_teacher.AutoencoderKL, "save_pretrained", killed)
        tiny_teacher.save_half(new, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    tiny_teacher.save_half(new, tmp_path)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert after.keys() == before.keys() == {"config.json", "diffusion_pytorch_model.safetensors"} and after != before


def test_a_training_that_was_cut_off_ends_with_the_same_weights(tmp_path):
    whole = _train(tmp_path / "whole.pt")
    _train(tmp_path / "cut.pt", stop=1)
    assert torch.equal(_train(tmp_path / "cut.pt"), whole)


def test_the_noise_loss_of_a_perfect_prediction_is_zero():
    alphas = tiny_teacher.build_scheduler().alphas_cumprod
    latents = torch.randn(4, 8, 8, 8, generator=torch.Generator().manual_seed(1))

    class Oracle(torch.nn.Module):
        """Knows the clean latents, and so the noise."""

        def forward(self, noisy, timesteps, text):
            signal = alphas[timesteps].view(-1, 1, 1, 1)
            noise = (noisy - signal.sqrt() * latents) / (1 - signal).sqrt()
            return type("Output", (), {"sample": noise})

    random = torch.Generator().manual_seed(2)
    assert tiny_teacher.noise_loss(Oracle(), torch.zeros(1, 1, 4), latents, alphas, random) < 1e-6


def test_each_step_of_a_batch_has_a_timestep_of_its_own_part():
    seen = []

    class Watch(torch.nn.Module):
        def forward(self, noisy, timesteps, text):
            seen.extend(timesteps.tolist())
            return type("Output", (), {"sample": noisy})

    alphas = tiny_teacher.build_scheduler().alphas_cumprod
    tiny_teacher.noise_loss(
        Watch(), torch.zeros(1, 1, 4), torch.zeros(4, 8, 8, 8), alphas, torch.Generator().manual_seed(3)
    )
    assert [timestep // 250 for timestep in seen] == [0, 1, 2, 3]
