"""StyleDistill: distil a diffusion stylizer into one feed-forward transformer, and measure what it kept.

The chapters stand in workflow/rules, a file each. common.smk names files, lifecycle.smk has the start and end of a run.
"""

import sys

from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/project.smk"


sys.path.insert(0, str(PROJECT / "src"))

from styledistill.run.configuration import chosen_configuration

# --configfile alone or config.yaml beside this, with the keys of --config; as a module: the `config` that it was given.
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


rule all:
    default_target: True
    input:
        FETCHED,
        REPORT,
        CARD,
        collect(rules.export_onnx.output, loss=CFG.losses),
        ABLATION if VARIANTS else [],


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
