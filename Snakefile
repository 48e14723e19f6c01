"""StyleDistill: distil a diffusion stylizer into one feed-forward transformer, and measure what it kept.

The stages stand in workflow/rules, one file each; workflow/rules/common.smk holds paths and settings.
"""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/teach.smk"
include: "workflow/rules/card.smk"
include: "workflow/rules/distill.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/ablation.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/report.smk"


onstart:
    stop_if_missing()
    alone(occupied.occupy)


onsuccess:
    summary()


onerror:
    tell_of_kills(log)


rule all:
    default_target: True
    input:
        FETCHED,
        REPORT,
        CARD,
        collect(rules.export.output, loss=CFG.losses),
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
        collect(STAMP, weight=needed.for_run(CFG)),


rule fetch:
    input:
        FETCHED,
        SPLITS,
        rules.weights.input,
        rules.golden_table.output,
        BLOCK_TABLES,


rule students:
    input:
        collect(STUDENT, loss=CFG.losses),


rule onnx:
    input:
        collect(rules.export.output, loss=CFG.losses),


rule golden:
    input:
        collect(GOLDEN_SHEET, kind=["png", "pdf"]),


rule ablation:
    input:
        ABLATION,


rule metrics:
    input:
        METRICS,
        rules.compare.output,
