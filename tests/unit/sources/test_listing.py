"""What `python src/download.py --list` says: every data set, weight file and teacher with size, license and address."""

from __future__ import annotations

import re

import pytest
import yaml
from click.testing import CliRunner

import download
from styledistill.config import datasets
from styledistill.downloads import hub_cache, registry

# Of each archive what its publisher or the project's own requirements state: bytes and md5.
COCO = {
    "coco2014_train": ("train2014.zip", 13_510_573_713, "0da8c0bd3d6becc4dcb32757491aca88"),
    "coco2014_val": ("val2014.zip", 6_645_013_297, "a3d79f5ed8d289b7a7554ce06a5782b3"),
}
DIGITS = {
    **{"vgg19": "dcbb9e9d", "alexnet": "7be5be79", "resnet50": "0676ba61", "vgg16": "397923af"},
    "inception": "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
}
STYLEID = "https://raw.githubusercontent.com/jiwoogit/StyleID/d4ea655dc1f7b19e0eac9553ad087132d18bb96f/data/"
ADDRESSES = {
    "coco2014_train": "http://images.cocodataset.org/zips/train2014.zip",
    "coco2014_val": "http://images.cocodataset.org/zips/val2014.zip",
    "wikiart": "https://huggingface.co/datasets/huggan/wikiart",
    "wikiart_artgan": "by hand: wikiart.zip from the page of https://github.com/cs-chan/ArtGAN/",
    "human_faces": "by hand: https://www.kaggle.com/datasets/ashwingupta3012/human-faces",
    "ffhq": "https://huggingface.co/datasets/gaunernst/ffhq-1024-wds",
    "styleid_contents": f"{STYLEID}cnt/{{00..19}}.png",
    "styleid_styles": f"{STYLEID}sty/{{00..39}}.png",
}


@pytest.fixture
def listed(tmp_path, monkeypatch) -> dict[str, str]:
    """What the list says of each entry, in a folder where nothing is here yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    done = CliRunner().invoke(download.main, ["--list"], catch_exceptions=False)
    assert done.exit_code == 0
    entries: dict[str, str] = {}
    for line in done.output.splitlines():
        if line and not line.startswith(" ") and not line.endswith(":"):
            name = line.split()[0]
            entries[name] = ""
        if line and not line.endswith(":"):
            entries[name] += line + "\n"
    return entries


def test_every_entry_is_listed_with_its_license_citation_and_use(listed):
    known = {
        **datasets.datasets(),
        **yaml.safe_load(registry.REGISTRY.read_text()),
        **hub_cache.known_models(),
    }
    assert list(listed) == list(known)
    for name, entry in known.items():
        assert all(entry[part] and entry[part] in listed[name] for part in ("license", "citation", "purpose")), name
        assert "not here" in listed[name], name


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_data_set_is_listed_with_its_address_and_number_of_images(listed, name):
    assert set(ADDRESSES) == set(datasets.datasets())
    assert ADDRESSES[name] in listed[name]
    assert f"{datasets.datasets()[name]['images']:,} images" in listed[name]


@pytest.mark.parametrize("name", COCO)
def test_coco_is_what_its_publisher_states(listed, name):
    file, size, md5 = COCO[name]
    source = datasets.source_of(name)
    assert source["address"].endswith(f"/{file}") and (source["bytes"], source["md5"]) == (size, md5)
    assert f"{size / 1e6:,.1f} MB" in listed[name]


@pytest.mark.parametrize("name", ["wikiart", "ffhq"])
def test_data_sets_of_the_hub_are_taken_at_a_commit(name):
    assert re.fullmatch(r"[0-9a-f]{40}", datasets.source_of(name)["revision"])


@pytest.mark.parametrize("name", DIGITS)
def test_weights_have_the_hashes_that_their_publishers_put_into_their_names(listed, name):
    wanted = registry.weight_file(name)
    assert f"sha256 {wanted.sha256}" in listed[name] and f"{wanted.bytes / 1e6:,.1f} MB" in listed[name]
    assert wanted.sha256.startswith(DIGITS[name]) and len(wanted.sha256) == 64
    assert f"-{DIGITS[name][:8]}.pth" in wanted.url


def test_what_has_no_published_hash_says_where_it_is_pinned(listed):
    assert "sha256 is pinned in resources/downloads/lock.json when it first comes" in listed["sttr"]
    teacher = listed["CompVis/stable-diffusion-v1-4"]
    assert "sha256 145a07e0f05ec5bbe6e2e9faf608bdb311caf708895cac8c8ed713c59864e1e8 unet/" in teacher
    assert "133a221b8aa7292a167afc5127cb63fb5005638b" in teacher and "4.27 GB" in teacher
