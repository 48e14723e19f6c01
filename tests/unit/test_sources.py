"""Sources: what they hold, what is left out, and what a crop is."""

import numpy as np
import pytest
from PIL import Image

from styledistill.config import FolderSource, ProceduralSource, SkimageSource
from styledistill.core.errors import BadPicture, UserError
from styledistill.core.images import MAX_PIXELS, encode_png, open_rgb, square_crop
from styledistill.sources import registry


def _save(path, size=(40, 30), colour=(200, 30, 60), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)


def test_a_folder_is_read_with_its_subfolders_in_a_lasting_order(tmp_path):
    for name in ("b.png", "a/c.jpg", "a b's $(touch x).png"):
        _save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    assert registry.names(FolderSource(kind="folder", path=str(tmp_path))) == sorted(
        ["b.png", "a/c.jpg", "a b's $(touch x).png"]
    )


def test_bad_files_are_left_out_with_a_reason(tmp_path):
    _save(tmp_path / "good.png", size=(50, 20))
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(encode_png(np.zeros((64, 64, 3), np.uint8))[:60])
    found = {entry.picture: entry for entry in registry.index(FolderSource(kind="folder", path=str(tmp_path)))}
    assert (found["good.png"].width, found["good.png"].height) == (50, 20)
    assert "cannot be read as a picture" in found["empty.png"].reason
    assert isinstance(found["cut.png"], registry.Excluded)


def test_equal_bytes_have_equal_hashes_whatever_their_names(tmp_path):
    for name in ("a.png", "b.png"):
        _save(tmp_path / name)
    _save(tmp_path / "c.png", colour=(1, 2, 3))
    hashes = {entry.picture: entry.sha256 for entry in registry.index(FolderSource(kind="folder", path=str(tmp_path)))}
    assert hashes["a.png"] == hashes["b.png"] != hashes["c.png"]


@pytest.mark.parametrize("path", ["missing", "empty"])
def test_folders_without_pictures_are_refused(tmp_path, path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no such folder|no pictures here"):
        registry.names(FolderSource(kind="folder", path=str(tmp_path / path)))


def test_photographs_of_scikit_image_are_there():
    source = SkimageSource(kind="skimage")
    sizes = {entry.picture: (entry.width, entry.height) for entry in registry.index(source)}
    assert sizes["astronaut"] == (512, 512)
    assert len(sizes) == len(source.pictures) >= 12


def test_drawn_pictures_are_not_those_of_the_embedded_networks_training():
    source = ProceduralSource(kind="procedural", pictures="styles", count=3)
    assert registry.names(source) == ["styles-000000", "styles-000001", "styles-000002"]
    picture = np.asarray(registry.crop(source, "styles-000001", 64, registry.entry(source, "styles-000001").sha256))
    from styledistill.sources.styles import style

    assert not any(np.array_equal(picture, style(seed, 64)) for seed in range(5))


def test_a_crop_is_the_centre_square():
    wide = Image.new("RGB", (90, 30), "red")
    wide.paste("blue", (30, 0, 60, 30))
    crop = np.asarray(square_crop(wide, 16))
    assert crop.shape == (16, 16, 3)
    assert (crop == (0, 0, 255)).all()


def test_turned_pictures_are_turned_back(tmp_path):
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated by 90 degrees clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    shown = np.asarray(open_rgb(tmp_path / "turned.png"))
    assert shown.shape == (40, 20, 3)
    assert shown[0, 0, 0] == 255
    assert shown[-1, 0, 0] == 0


def test_every_kind_of_pixels_becomes_rgb(tmp_path):
    grey16 = Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 1000)
    grey16.save(tmp_path / "grey16.png")
    levels = np.asarray(open_rgb(tmp_path / "grey16.png"))[..., 0]
    assert levels.max() == round(63_000 / 65_535 * 255)
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    assert np.asarray(open_rgb(tmp_path / "cmyk.jpg"))[0, 0].argmax() == 0
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (np.asarray(open_rgb(tmp_path / "clear.png")) == 255).all()


def test_picture_bombs_are_refused_before_they_are_decoded(tmp_path):
    side = int(MAX_PIXELS**0.5) + 2
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(BadPicture, match="pixels"):
        open_rgb(tmp_path / "bomb.png")
