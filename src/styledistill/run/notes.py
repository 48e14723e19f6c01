"""What a configuration says that changes nothing in this run, or costs far more than it seems: one line each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..config import METHODS, NETWORKS, Config, Distill, Metrics, Networks, Pretrain, Teacher
from ..config.terms import networks_of
from ..downloads import npm

# Measured on two cores of an AMD EPYC: the tiny teacher's forward took 16 times as long in float16 and 17 in bfloat16,
# the tiny student's training step 10 times.
_SLOWER = {"teacher": "about 16 times", "pretrain": "about 10 times", "distill": "about 10 times"}


def notes(config: Config, on_cpu: bool) -> list[str]:
    """Lines for a terminal, each with its key. on_cpu: whether this run's jobs compute without a GPU."""
    return [*_idle(config), *(_slow(config) if on_cpu else ())]


def without_demo(config: Config) -> list[str]:
    """A line where a run's page for browsers is left out, because what it takes has not been fetched."""
    archive = npm.FOLDER / npm.ONNXRUNTIME_WEB.file
    if not config.demo or archive.is_file():
        return []
    return [
        f"demo: results/{config.run}/demo is left out, for {archive} is not here. `python src page --fetch` gets it "
        "with npm; or set demo: false."
    ]


def of_former_layout(results: Path) -> list[str]:
    """A line for results whose tables were made before their columns were renamed; none where there are none."""
    for table in (results / "index").glob("*.csv"):
        with table.open(encoding="utf-8", errors="replace") as file:
            former = file.readline().startswith("picture,")
        if former:
            return [
                f"{results}: made before files and columns were renamed (CHANGELOG.md): every job runs once more. "
                "Images of a teacher with weights of your own are taken from resources/pairs, those of the embedded "
                "teacher are made again."
            ]
    return []


def _slow(config: Config) -> Iterator[str]:
    for section in ("teacher", "pretrain", "distill"):
        dtype = getattr(config, section).dtype
        if dtype != "float32" and (section != "pretrain" or config.student.start == "pretrain"):
            yield (
                f"{section}.dtype: {dtype} on a CPU takes {_SLOWER[section]} as long as float32, for want of "
                "arithmetic for it in most. Set float32, or run where a GPU is."
            )


def _idle(config: Config) -> Iterator[str]:
    taken = {*config.blocks.contents, *config.blocks.styles, *config.golden.contents, *config.golden.styles}
    for name in config.sources:
        if name not in taken:
            yield f"sources.{name}: changes nothing in this run, for neither blocks nor golden take from it"
    if config.student.start != "pretrain" and config.pretrain != Pretrain():
        yield "pretrain: changes nothing in this run, for student.start is not 'pretrain'"
    yield from _idle_teacher(config)
    yield from _idle_distill(config)
    yield from _idle_networks(config)
    if config.metrics.fid == "none" and config.metrics.fid_minimum != Metrics.model_fields["fid_minimum"].default:
        yield "metrics.fid_minimum: changes nothing in this run, for metrics.fid is none"


def _idle_teacher(config: Config) -> Iterator[str]:
    name, method = config.teacher.method, METHODS[config.teacher.method]
    of_others = {key for other in METHODS.values() if other is not method for key in other.own}
    for key, field in Teacher.model_fields.items():
        if key == "method" or getattr(config.teacher, key) == field.default:
            continue
        if key in of_others or not (method.on_a_model or key in method.own):
            yield f"teacher.{key}: changes nothing in this run, for teacher.method is {name}"
        elif key in ("gamma", "temperature", "layers") and not config.teacher.injection:
            yield f"teacher.{key}: changes nothing in this run, for teacher.injection is false"
    if config.compare_teachers and not config.other_teachers:
        yield f"compare_teachers: changes nothing in this run, for teacher.method {name} has no model"


def _idle_distill(config: Config) -> Iterator[str]:
    terms = {term for loss in config.losses.values() for term in loss}
    for key in ("gram_normalize", "gram_per_image"):
        if getattr(config.distill, key) != Distill.model_fields[key].default and "gram" not in terms:
            yield f"distill.{key}: changes nothing in this run, for no loss has the term gram"
    if (config.distill.micro_batch or 0) > config.distill.batch:
        yield f"distill.micro_batch: changes nothing in this run, for distill.batch is only {config.distill.batch}"


def _idle_networks(config: Config) -> Iterator[str]:
    terms = {term for loss in config.losses.values() for term in loss}
    looked_through = {*config.scoring_networks, *networks_of(terms, config.networks.features)}
    for key in NETWORKS:
        if getattr(config.networks, key) != Networks.model_fields[key].default and key not in looked_through:
            yield f"networks.{key}: changes nothing in this run, for neither metrics nor losses look through it"
