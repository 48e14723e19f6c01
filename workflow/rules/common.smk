# Names of files and helpers that several chapters share; nothing here acts.

from styledistill import config as configuration
from styledistill.config.as_json import as_json
from styledistill.core import places
from styledistill.core.fingerprint import fingerprint_script
from styledistill.run import requirements, watchdog
from styledistill.sources import registry
from styledistill.splits import names as called


def step(script, words, offline=1):
    """The shell line of a rule: src/steps/<script>.py with these words.

    Its output goes to the rule's log; descriptor 3 is Snakemake's terminal, for a line a minute. offline: 0 for the local
    rules that fetch something; all other jobs see no model hub.
    """
    return program(f"steps/{script}", words, offline)


def program(script, words, offline=1):
    """The same for src/<script>.py, a program for people too."""
    return (
        f"STYLEDISTILL_TERMINAL=3 {watchdog.SHELL}=$$ PYTHONUTF8=1 HF_HUB_OFFLINE={offline}"
        f' python "$STYLEDISTILL_SRC"/{script}.py {words} 3>&2 >{{log}} 2>&1'
    )


def given(text):
    """A parameter in which Snakemake looks for no wildcards: what users name may hold braces, as {00..19}.png does."""
    return lambda wildcards: text


def folder(path):
    """A folder of the run as a parameter; wildcards in it are the job's."""
    return lambda wildcards: path.format(**wildcards)


def settings(value):
    """A section of the configuration as a parameter."""
    return given(as_json(value))


def content_of(stylizer):
    """What a stylizer from outside is made of, as a parameter."""
    return lambda wildcards: stylizer.mark()


def mark_of(student):
    """The weights of a student's folder as a parameter; nothing where the folder is not there yet."""
    return lambda wildcards: (
        places.weights_mark(str(student)) if student.is_dir() else ""
    )


def images_of(names):
    """The settings of sources as a parameter, as far as their images depend on them."""
    return settings(
        {
            name: CFG.sources[name].model_dump(exclude=configuration.RIGHTS)
            for name in names
        }
    )


def one_of(names):
    """A pattern of these names and of nothing else."""
    return "|".join(sorted(names)) or "(?!)"


def in_blocks(pattern):
    """The files of all blocks that a pattern with {split} and {block} names."""
    return [
        pattern.format(split=split, block=block)
        for split, blocks in BLOCKS.items()
        for block in blocks
    ]


RESULTS = f"results/{CFG.run}"
LOGS = f"{RESULTS}/logs"
TIMES = f"{RESULTS}/times"

CONTENTS = called.names("content", sum(CFG.blocks.contents.values()), called.BLOCK)
STYLES = called.names("style", sum(CFG.blocks.styles.values()), called.BLOCK)
PAIRS = called.grid(CONTENTS, STYLES, configuration.METHODS[CFG.teacher.method].crosses)
GOLDEN_CONTENTS = called.names(
    "content", configuration.total(CFG.golden.contents), called.GOLDEN
)
GOLDEN_STYLES = called.names(
    "style", configuration.total(CFG.golden.styles), called.GOLDEN
)
GOLDEN_COUNTS = (
    f"--golden-contents {len(GOLDEN_CONTENTS)} --golden-styles {len(GOLDEN_STYLES)}"
)
BLOCKS = {
    split: [f"{n:04d}" for n in range(getattr(CFG.blocks, split))]
    for split in ("train", "val")
}

# Sources whose images are fetched before they are opened, and those among them on a server.
LISTED = sorted(name for name in CFG.sources if registry.listed(CFG.sources[name]))
REMOTE = [name for name in LISTED if registry.needs_network(CFG.sources[name])]
FETCHED = [f"{RESULTS}/index/fetched.json"] if LISTED else []

# Stamp: a weight file is here and correct. Jobs that load the file wait for its stamp and need no network.
STAMP = f"{RESULTS}/weights/{{weight}}.json"
# The same for a teacher from the hub, in the hub's own cache; a folder or a file needs no stamp.
TEACHER_STAMP = (
    [f"{RESULTS}/weights/teacher.json"]
    if CFG.teacher.on_a_model and places.hub_id(CFG.teacher.weights)
    else []
)

INDEX = f"{RESULTS}/index/{{source}}.csv"
BLOCK = f"{RESULTS}/blocks/{{split}}/{{block}}.csv"
GOLDEN_TABLE = f"{RESULTS}/blocks/golden.csv"
# Near-duplicates across splits: their pairs are in the shards, but in no manifest.
DUPLICATES = f"{RESULTS}/blocks/duplicates.excluded.csv"
GOLDEN_ALONE = f"{RESULTS}/blocks/golden_duplicates.csv"
BLOCK_TABLES = in_blocks(BLOCK)
# Images that were replaced in each block and in the golden set.
REPLACED = [
    f"{RESULTS}/blocks/golden.excluded.csv",
    *in_blocks(f"{RESULTS}/blocks/{{split}}/{{block}}.excluded.csv"),
]
IMAGES = f"{RESULTS}/images"
CROPS = [f"{IMAGES}/{{split}}/{{block}}/{name}.png" for name in CONTENTS + STYLES]
GOLDEN_CROPS = [
    f"{IMAGES}/golden/{name}.png" for name in GOLDEN_CONTENTS + GOLDEN_STYLES
]
TEACHER = f"{RESULTS}/teacher"
# Nothing in a triplet says who made its target, so triplets of two data sets must not meet: a run keeps its own.
STORE = f"{TEACHER}/kept" if CFG.teacher.method == "images" else "resources/pairs"
SHARD = f"{RESULTS}/shards/{{split}}/{{block}}.tar"
MANIFEST = f"{RESULTS}/shards/{{split}}.json"
MANIFESTS = collect(MANIFEST, split=BLOCKS)

# The start of distillation: an existing folder, or one that this workflow makes. `pretrained` is it or a folder beside it.
START = places.found(CFG.student.start)
PRETRAINED = places.found(CFG.student.pretrained or CFG.student.start)
FOLDERS = {"pretrained": PRETRAINED, CFG.begins_with: START}
READY = CFG.starts if CFG.student.pretrained or START.is_dir() else []
STUDENTS = {
    model: f"{RESULTS}/students/{model}" for model in (*CFG.starts, *CFG.losses)
}
# Names of these folders in shell lines. A start may lie anywhere under any name: rules know it by its bytes.
BY_VARIABLE = {"pretrained": "PRETRAINED", CFG.begins_with: "START"}
IN_SHELL = STUDENTS | {name: f'"$STYLEDISTILL_{BY_VARIABLE[name]}"' for name in READY}
# Weight files that a model's images depend on; those of the teacher and of a start are not files of the run.
MADE_BY = {
    "teacher": TEACHER_STAMP,
    **{model: f"{folder}/student.safetensors" for model, folder in STUDENTS.items()},
    **dict.fromkeys(READY, []),
    **dict.fromkeys(CFG.stylizers, []),
}
# Reruns recognize such weights by these marks, whatever their place and time.
MARKS = {
    "teacher": lambda wildcards: CFG.teacher.mark(),
    **{model: mark_of(FOLDERS[model]) for model in CFG.starts},
    **{name: content_of(stylizer) for name, stylizer in CFG.stylizers.items()},
}

GOLDEN_STYLIZED = [
    f"{RESULTS}/golden/{{model}}/{pair}.png"
    for pair in called.grid(GOLDEN_CONTENTS, GOLDEN_STYLES)
]
VALIDATION = f"{RESULTS}/validation/{{model}}"
SCORES = f"{RESULTS}/metrics/{{model}}.csv"
BENCHMARK = f"{RESULTS}/tables/benchmark.csv"


wildcard_constraints:
    split="train|val",
    block=r"\d{4}",
    source="|".join(CFG.sources),
    loss="|".join(CFG.losses),
    model="|".join(CFG.models),
    kind="png|pdf",
