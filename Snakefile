"""StyleDistill: distil a diffusion stylizer into one feed-forward transformer, and measure what it kept.

The chapters stand in workflow/rules, a file each; workflow/rules/common.smk holds paths and settings.
"""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/downloads.smk"
include: "workflow/rules/sources.smk"
include: "workflow/rules/splits.smk"
include: "workflow/rules/teacher.smk"
include: "workflow/rules/shards.smk"
include: "workflow/rules/student.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/ablation.smk"
include: "workflow/rules/report.smk"


onstart:
    stop_if_missing()
    alone(lock.occupy)


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
        collect(GOLDEN_SHEET, kind=["png", "pdf"]),


rule ablation:
    input:
        ABLATION,


rule metrics:
    input:
        METRICS,
        rules.compare.output,
