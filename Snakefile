"""StyleDistill: distill a diffusion stylizer into one feed-forward network, and measure what it kept.

Each chapter has its file in workflow/rules. common.smk names files, lifecycle.smk has the start and end of a run.
"""

import gc
import sys

from snakemake.utils import min_version

min_version("9.27")

# A plan is millions of objects that stay; looking through them for garbage while they are made takes a fifth of its time.
gc.freeze()
gc.set_threshold(200_000)


include: "workflow/rules/project.smk"


sys.path.insert(0, str(PROJECT / "src"))

from styledistill.run.configuration import chosen_configuration

# The file of --configfile, or else config.yaml beside this file, with the keys of --config. As a module: its `config`.
CFG = chosen_configuration(config, workflow, PROJECT)


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/machine.smk"
include: "workflow/rules/lifecycle.smk"
include: "workflow/rules/downloads.smk"
include: "workflow/rules/sources.smk"
include: "workflow/rules/splits.smk"
include: "workflow/rules/teacher.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/student.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/ablation.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/share.smk"


rule all:
    default_target: True
    input:
        FETCHED,
        REPORT,
        CARD,
        collect(rules.export_onnx.output, loss=CFG.losses),
        ABLATION if VARIANTS else [],
        rules.teachers_figure.output if CFG.other_teachers else [],
        rules.demo.output if DEMO else [],


rule dataset:
    input:
        FETCHED,
        SPLITS,
        MANIFESTS,
        CARD,


rule weights:
    input:
        TEACHER_STAMP,
        collect(STAMP, weight=requirements.for_run(CFG)),


rule fetch:
    input:
        FETCHED,
        SPLITS,
        rules.weights.input,
        rules.select_golden.output,
        BLOCK_TABLES,


rule students:
    input:
        collect(STUDENT, loss=CFG.losses),


rule onnx:
    input:
        collect(rules.export_onnx.output, loss=CFG.losses),


rule golden:
    input:
        multiext(f"{RESULTS}/figures/golden", ".png", ".pdf"),


rule ablation:
    input:
        ABLATION,


rule metrics:
    input:
        METRICS,
        rules.compare.output,
