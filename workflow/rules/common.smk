# Paths, settings and helpers of the whole workflow; definitions only.

import os
import shlex
import sys
from pathlib import Path

import yaml
from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod
from snakemake.utils import update_config

SRC = Path(workflow.basedir) / "src"
# Where the locks lie, for conda (envs/*.yaml).
os.environ.update(STYLEDISTILL_ENVS=str(SRC.parent / "envs"))
sys.path.insert(0, str(SRC))

from styledistill import config as configuration
from styledistill.core import places
from styledistill.core.errors import UserError
from styledistill.core.files import canonical_json, sha256_file
from styledistill.core.fingerprint import fingerprint_script
from styledistill.downloads import addresses
from styledistill.downloads.registry import FOLDER, weight_files
from styledistill.report.tables import protocol
from styledistill.run import containers, lock, notes, preflight, requirements, watchdog
from styledistill.run.summary import summarize
from styledistill.sources import registry


def chosen_configuration():
    """The file given with --configfile alone, or the embedded default; --config changes single keys of either."""
    files = workflow.config_settings.configfiles
    try:
        # Once more, for Snakemake says nothing of keys that stand twice.
        for file in (file for file in files if Path(file).suffix != ".json"):
            configuration.read(file)
        values = {} if files else configuration.read(SRC.parent / "config.yaml")
        update_config(values, config)
        nulls_of(values, workflow.config_settings.config)
        return configuration.validate(without_secrets(values))
    except UserError as error:
        sys.exit(f"error: {error}")


def nulls_of(values, told):
    """`null` on the command line means what it means in a file; Snakemake takes it for a word."""
    for key, value in told.items():
        if value == "null":
            values[key] = None
        elif isinstance(value, dict) and isinstance(values.get(key), dict):
            nulls_of(values[key], value)


def without_secrets(values):
    """Passwords and tokens in addresses go to the jobs that ask there, and nowhere else."""
    sources = values.get("sources")
    for source in sources.values() if isinstance(sources, dict) else ():
        if isinstance(source, dict) and isinstance(source.get("address"), str):
            source["address"] = addresses.conceal(source["address"])
    return values


def missing_parts():
    """Folders and weights that are not here yet; a dry run may go on without them, a run stops before its first job."""
    if not workflow.is_main_process:
        return []
    try:
        missing = preflight.check(CFG)
    except UserError as error:
        sys.exit(f"error: {error}")
    if in_containers():
        missing += containers.missing_images(Path(workflow.basedir))
    for line in missing:
        logger.warning(f"not here yet: {line}")
    on_cpu = CFG.device == "cpu" or (
        CFG.device == "auto" and not workflow.non_local_exec and not preflight.gpus()
    )
    for line in notes.notes(CFG, on_cpu):
        logger.warning(f"note: {line}")
    return missing


def mind_others():
    """Snakemake's own words about its lock leave open whether somebody works here or somebody was killed."""
    if not workflow.is_main_process:
        return
    if lock.resuming():
        alone(lock.await_others)
    elif any(Path(".snakemake/locks").glob("*.lock")):
        if others := lock.worked_on(Path(RESULTS)):
            logger.warning(
                f"{RESULTS}: somebody works on this run: {others}. Wait for the end of that; should it be killed,"
                " `make resume` unlocks and goes on."
            )
        else:
            logger.warning(
                f"{RESULTS}: nobody works on this run, but a Snakemake here was killed and has left its lock:"
                " `make resume` goes on (with what Snakemake was given: make resume ARGS='--configfile ...')."
            )


def alone(how):
    try:
        how(Path(RESULTS))
    except UserError as error:
        sys.exit(f"error: {error}")


# By the first word of the key that something is missing for: the rules whose jobs cannot do without it.
TAKERS = {
    "sources": {"index"},
    "teacher": {"teach", "render", "benchmark", "render_variant", "deviation"},
    "student": {"convert"},
    "networks": {"pretrain", "distill", "score_fixed", "score", "score_variants"},
}


def stop_if_missing():
    """No run is started without what its jobs need; what only other targets need may be missing."""
    if missing := [line for line in MISSING if needed_now(line)]:
        sys.exit("\n".join(f"error: {line}" for line in missing))


def needed_now(line):
    """Whether a job of this run takes what the line says is missing (sources.faces.path: ...)."""
    section, *names = line.split(":")[0].split(".")
    jobs = list(workflow.dag.needrun_jobs())
    if section not in TAKERS:
        return bool(jobs)
    takers = [job for job in jobs if job.rule.name in TAKERS[section]]
    return any(
        section != "sources" or job.wildcards.source == names[0] for job in takers
    )


def fetched_first(wildcards):
    """What can be fetched comes before the word that a file must be put in place by hand."""
    if (FOLDER / weight_files()[wildcards.weight].file).exists():
        return []
    others = [name for name in requirements.for_run(CFG) if name not in BY_HAND]
    stamps = [*TEACHER_STAMP, *collect(STAMP, weight=others)]
    pictures = [*FETCHED, f"{RESULTS}/blocks/golden.csv", *BLOCK_TABLES]
    return stamps + (pictures if "fetch" in workflow.dag_settings.targets else [])


def settings(value):
    """A section (or a plain value) of the configuration as the one JSON text that params and scripts take."""
    return canonical_json(plain(value))


def given(text):
    """A parameter in which Snakemake looks for no wildcards: what users name may hold braces, as {00..19}.png does."""
    return lambda wildcards: text


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value.model_dump() if hasattr(value, "model_dump") else value


def pictures_of(names):
    """The settings of sources as far as their pictures depend on them."""
    return settings(
        {
            name: CFG.sources[name].model_dump(exclude=configuration.RIGHTS)
            for name in names
        }
    )


def one_of(names):
    """A pattern of these names and of nothing else."""
    return "|".join(sorted(names)) or "(?!)"


def env(name):
    """None without conda, which formats the path as a pattern."""

    def file(wildcards):
        path = f"{workflow.basedir}/envs/{name}.yaml"
        with_conda = (
            DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
        )
        return path.replace("{", "{{").replace("}", "}}") if with_conda else None

    return file


def in_containers():
    return DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method


def image(name):
    """None without containers: what only these cannot do (blanks in a path) is asked of nobody else."""
    if in_containers():
        return str(containers.image(Path(workflow.basedir), name))


def see_from_containers():
    """What jobs in containers must see of this machine; asked on each, since a cluster's nodes parse this as well."""
    if not in_containers():
        return
    try:
        os.environ.update(containers.environment(CFG, Path(workflow.basedir)))
    except UserError as error:
        sys.exit(f"error: {error}")


def gpu(wildcards):
    """A GPU for each job that uses one: where this machine has one, or hands its jobs to a cluster; none on a CPU run.

    With --resources gpu=4 four jobs run side by side, on a GPU each.
    """
    return min(all_gpus(wildcards), 1)


def all_gpus(wildcards):
    """Those of this machine, for a job that uses them together; on a cluster one, unless the profile says more."""
    if CFG.device == "cpu":
        return 0
    return 1 if workflow.non_local_exec else preflight.gpus()


def all_cores(wildcards):
    """The cores of this machine; a cluster's jobs are told by their profile."""
    return workflow.resource_settings.cores or 1


def names(letter, count, width):
    return [f"{letter}{number:0{width}d}" for number in range(count)]


def grid(contents, styles):
    return [f"{content}_{style}" for content in contents for style in styles]


def made_by(model):
    """The weights that a model's pictures come from; the teacher's are no file of a run, nor are those of a start."""
    if model == "teacher":
        return TEACHER_STAMP
    return (
        []
        if model == "pretrained" and READY
        else f"{STUDENTS[model]}/student.safetensors"
    )


def options_of(model):
    """How render.py is told to load a model."""
    if model == "teacher":
        return f"--teacher {shlex.quote(settings(CFG.teacher))} --store {STORE} --finished {TEACHER}/val"
    return f"--weights {IN_SHELL[model]}"


# By these a rerun knows weights that are no files of this run, wherever they lie and whenever they came there.


def teacher_mark(wildcards):
    return places.weights_mark(CFG.teacher.weights)


def start_mark(wildcards):
    return places.weights_mark(CFG.student.start) if READY else ""


def mark_of(wildcards):
    marks = {"teacher": teacher_mark, "pretrained": start_mark}
    return marks[wildcards.model](wildcards) if wildcards.model in marks else ""


def folder_of(files):
    return Path(files[0]).parent


def summary():
    """A run ends well even where an older file of it is damaged."""
    try:
        logger.info(summarize(Path(RESULTS)))
    except (UserError, ValueError) as error:
        logger.warning(f"{RESULTS}: no summary: {error}")


def tell_of_kills(logs):
    """A job that the kernel ends has no time for a word of its own, and its log is empty."""
    said = "".join(Path(log).read_text(errors="replace") for log in logs)
    if "exit status 137." in said or "SIGKILL" in said:
        logger.error(
            "error: a job was killed, as the kernel does for want of memory: see above which. Run again with fewer"
            " --cores or on a machine with more memory; what is finished is kept."
        )


# Scripts are found wherever the working directory is, and write a line a minute to Snakemake's own terminal (3). Only the
# local rules that fetch something take HF_HUB_OFFLINE off again.
CFG = chosen_configuration()
START = places.found(CFG.student.start)
shell.prefix(containers.shell_prefix(SRC=SRC, STUDENT_START=START))

MISSING = missing_parts()
see_from_containers()

RESULTS = f"results/{CFG.run}"
watchdog.bind_jobs(Path(RESULTS))
mind_others()
STORE = "resources/pairs"
TRAINING = "resources/training"
WEIGHTS = str(FOLDER)
LOGS = f"{RESULTS}/logs"
TIMES = f"{RESULTS}/times"

CONTENTS = names("c", sum(CFG.blocks.contents.values()), 2)
STYLES = names("s", sum(CFG.blocks.styles.values()), 2)
PAIRS = grid(CONTENTS, STYLES)
GOLDEN_CONTENTS = names("c", configuration.total(CFG.golden.contents), 1)
GOLDEN_STYLES = names("s", configuration.total(CFG.golden.styles), 1)
GOLDEN_COUNTS = (
    f"--golden-contents {len(GOLDEN_CONTENTS)} --golden-styles {len(GOLDEN_STYLES)}"
)
BLOCKS = {
    split: [f"{n:04d}" for n in range(getattr(CFG.blocks, split))]
    for split in ("train", "val")
}

# Sources whose pictures are fetched before they are opened, and those of them that lie on a server.
LISTED = sorted(name for name in CFG.sources if registry.listed(CFG.sources[name]))
REMOTE = [name for name in LISTED if registry.needs_network(CFG.sources[name])]
FETCHED = [f"{RESULTS}/index/fetched.json"] if LISTED else []

# Says that a file of weights is here and right; the jobs that load it wait for this, and touch no network.
STAMP = f"{RESULTS}/weights/{{weight}}.json"
BY_HAND = [name for name, wanted in weight_files().items() if wanted.by_hand]
# Says the same of a teacher that lies on the hub, in the hub's own cache; a folder or a file needs no such word.
TEACHER_STAMP = (
    [f"{RESULTS}/weights/teacher.json"] if places.hub_id(CFG.teacher.weights) else []
)
INDEX = f"{RESULTS}/index/{{source}}.csv"
BLOCK = f"{RESULTS}/blocks/{{split}}/{{block}}.csv"
SPLITS = f"{RESULTS}/splits.csv"
# What was replaced in each block and in the golden set.
REPLACED = [
    f"{RESULTS}/blocks/golden.excluded.csv",
    *(
        f"{RESULTS}/blocks/{split}/{block}.excluded.csv"
        for split, blocks in BLOCKS.items()
        for block in blocks
    ),
]
# Pictures that look like one of another split: their pairs stand in the shards and in no manifest.
DUPLICATES = f"{RESULTS}/blocks/duplicates.excluded.csv"
GOLDEN_ALONE = f"{RESULTS}/blocks/golden_duplicates.csv"
IMAGES = f"{RESULTS}/images"
BLOCK_TABLES = [
    BLOCK.format(split=split, block=block)
    for split, blocks in BLOCKS.items()
    for block in blocks
]
BLOCK_CROPS = [
    f"{IMAGES}/{split}/{block}/{name}.png"
    for split, blocks in BLOCKS.items()
    for block in blocks
    for name in CONTENTS + STYLES
]
TEACHER = f"{RESULTS}/teacher"
SHARD = f"{RESULTS}/shards/{{split}}/{{block}}.tar"
MANIFEST = f"{RESULTS}/shards/{{split}}.json"
MANIFESTS = [f"{RESULTS}/shards/{split}.json" for split in BLOCKS]
CARD = f"{RESULTS}/shards/README.md"
STUDENT = f"{RESULTS}/students/{{loss}}/student.safetensors"
SCORES = f"{RESULTS}/metrics/{{model}}.csv"
STYLE_ACTIVATIONS = f"{RESULTS}/metrics/styles.npz"
METRICS = f"{RESULTS}/tables/metrics.csv"
GRAPHS = ("encode_style", "stylize")
BENCHMARK = f"{RESULTS}/tables/benchmark.csv"
GOLDEN_SHEET = f"{RESULTS}/figures/golden.{{kind}}"
REPORT = f"{RESULTS}/report.html"
GOLDEN_PICTURES = [
    f"{RESULTS}/golden/{{model}}/{pair}.png"
    for pair in grid(GOLDEN_CONTENTS, GOLDEN_STYLES)
]
VALIDATION = f"{RESULTS}/validation/{{model}}"
GOLDEN_IMAGES = [
    f"{IMAGES}/golden/{name}.png" for name in GOLDEN_CONTENTS + GOLDEN_STYLES
]

# The weights that distillation starts from: a folder that is there, or one that this workflow makes.
READY = START.is_dir()
STUDENTS = {
    model: f"{RESULTS}/students/{model}" for model in ("pretrained", *CFG.losses)
}
# How a shell names these folders. That of a start may have any name and lie anywhere: rules know it by its bytes.
IN_SHELL = STUDENTS | ({"pretrained": '"$STUDENT_START"'} if READY else {})


wildcard_constraints:
    split="train|val",
    block=r"\d{4}",
    source="|".join(CFG.sources),
    loss="|".join(CFG.losses),
    model="|".join(CFG.models),
    kind="png|pdf",
