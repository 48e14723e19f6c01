# Images of every model, their scores, and what each model costs.

import shlex

# Of the styles, for FID: one job computes them for all models.
STYLE_ACTIVATIONS = (
    [] if CFG.metrics.fid == "none" else [f"{RESULTS}/metrics/styles.npz"]
)
# Options by which render.py loads a model.
OPTIONS = {
    "teacher": f"--teacher {shlex.quote(as_json(CFG.teacher.at_first_gamma))} --store {STORE} --finished {TEACHER}/val",
    **{model: f"--weights {folder}" for model, folder in IN_SHELL.items()},
    **{
        name: f"--outside {shlex.quote(as_json(stylizer))}"
        for name, stylizer in CFG.stylizers.items()
    },
}
# Those from outside that can draw any pair; a folder of images cannot.
DRAWING = {name: one for name, one in CFG.stylizers.items() if one.draws}


rule render:
    input:
        golden=GOLDEN_CROPS,
        # Lists the validation pairs; it depends on their crops and teacher images.
        manifest=MANIFESTS[1],
        model=lambda wildcards: MADE_BY[wildcards.model],
    output:
        golden=GOLDEN_STYLIZED,
        validation=directory(VALIDATION),
    log:
        f"{LOGS}/render/{{model}}.log",
    benchmark:
        f"{TIMES}/render/{{model}}.tsv"
    wildcard_constraints:
        model="|".join(["teacher", *STUDENTS, *CFG.stylizers]),
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=3000,
        runtime=120,
        gpu=gpu,
    params:
        model=lambda wildcards: OPTIONS[wildcards.model],
        mark=lambda wildcards: MARKS.get(wildcards.model, given(""))(wildcards),
        golden=GOLDEN_COUNTS,
        images=folder(IMAGES),
        device=CFG.device,
        out=subpath(output[0], parent=True),
        code=fingerprint_script("render"),
    message:
        "Stylize the golden set and the validation pairs with {wildcards.model}"
    shell:
        step(
            "render",
            "--model {wildcards.model} {params.model} --images {params.images} --manifest {input.manifest}"
            " {params.golden} --device {params.device} --out-golden {params.out}"
            " --out-validation {output.validation}",
        )


# Baselines need no training and no network: one job makes all.
rule render_controls:
    input:
        golden=GOLDEN_CROPS,
        manifest=MANIFESTS[1],
    output:
        golden=collect(GOLDEN_STYLIZED, model=configuration.CONTROLS),
        validation=[
            directory(VALIDATION.format(model=model))
            for model in configuration.CONTROLS
        ],
    log:
        f"{LOGS}/render_controls.log",
    benchmark:
        f"{TIMES}/render_controls.tsv"
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        golden=GOLDEN_COUNTS,
        images=folder(IMAGES),
        out=folder(f"{RESULTS}/golden"),
        validation=folder(f"{RESULTS}/validation"),
        code=fingerprint_script("render_controls"),
    message:
        "Make the baselines' images of the golden set and the validation pairs"
    shell:
        step(
            "render_controls",
            "--images {params.images} --manifest {input.manifest} {params.golden} --out-golden {params.out}"
            " --out-validation {params.validation}",
        )


# Models that no loss changes are scored by one job, which also computes the styles' activations.
rule score_fixed:
    input:
        images=GOLDEN_CROPS,
        manifest=MANIFESTS[1],
        stylized=collect(GOLDEN_STYLIZED, model=CFG.fixed_models),
        validation=collect(VALIDATION, model=CFG.fixed_models),
        weights=collect(STAMP, weight=requirements.for_scores(CFG)),
    output:
        tables=collect(SCORES, model=CFG.fixed_models),
        summaries=collect(f"{RESULTS}/metrics/{{model}}.json", model=CFG.fixed_models),
        styles=STYLE_ACTIVATIONS,
    log:
        f"{LOGS}/score_fixed.log",
    benchmark:
        f"{TIMES}/score_fixed.tsv"
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=gpu,
    params:
        metrics=settings(CFG.metrics),
        networks=settings(CFG.networks),
        golden=GOLDEN_COUNTS,
        device=CFG.device,
        results=folder(RESULTS),
        models=" ".join(CFG.fixed_models),
        code=fingerprint_script("score"),
    message:
        "Score the teacher, the student before distillation and the baselines"
    shell:
        step(
            "score",
            "{params.models} --results {params.results} {params.golden} --settings {params.metrics:q}"
            " --networks {params.networks:q} --device {params.device}",
        )


rule score:
    input:
        images=GOLDEN_CROPS,
        manifest=MANIFESTS[1],
        stylized=GOLDEN_STYLIZED,
        validation=VALIDATION,
        teacher=[path.format(model="teacher") for path in GOLDEN_STYLIZED],
        teacher_validation=VALIDATION.format(model="teacher"),
        styles=STYLE_ACTIVATIONS,
        weights=collect(STAMP, weight=requirements.for_scores(CFG)),
    output:
        table=SCORES,
        summary=f"{RESULTS}/metrics/{{model}}.json",
    log:
        f"{LOGS}/score/{{model}}.log",
    benchmark:
        f"{TIMES}/score/{{model}}.tsv"
    wildcard_constraints:
        model="|".join(CFG.compared),
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=gpu,
    params:
        metrics=settings(CFG.metrics),
        networks=settings(CFG.networks),
        golden=GOLDEN_COUNTS,
        device=CFG.device,
        results=folder(RESULTS),
        sets=lambda wildcards: (
            "" if wildcards.model in CFG.validated else "--golden-alone"
        ),
        code=fingerprint_script("score"),
    message:
        "Score {wildcards.model}"
    shell:
        step(
            "score",
            "{wildcards.model} --results {params.results} {params.golden} --settings {params.metrics:q}"
            " --networks {params.networks:q} --device {params.device} {params.sets}",
        )


rule benchmark:
    input:
        content=GOLDEN_CROPS[0],
        style=GOLDEN_CROPS[len(GOLDEN_CONTENTS)],
        students=[MADE_BY[name] for name in STUDENTS],
        teacher=TEACHER_STAMP,
    output:
        report(
            BENCHMARK,
            category="Tables",
            labels={"table": "speed and size", "file": "CSV"},
            caption="../report/benchmark.rst",
        ),
    log:
        f"{LOGS}/benchmark.log",
    benchmark:
        f"{TIMES}/benchmark.tsv"
    conda:
        env("model")
    container:
        image("model")
    # All cores, so that no other job disturbs the times; on a cluster the profile keeps the node free.
    threads: all_cores
    resources:
        mem_mb=6000,
        runtime=120,
        gpu=all_gpus,
    params:
        benchmark=settings(CFG.benchmark),
        teacher=settings(CFG.teacher.at_first_gamma),
        models=" ".join(f"--model {name}={folder}" for name, folder in IN_SHELL.items()),
        teacher_mark=MARKS["teacher"],
        start_marks=lambda wildcards: [MARKS[name](wildcards) for name in CFG.starts],
        outside=settings(DRAWING),
        outside_marks=lambda wildcards: [MARKS[name](wildcards) for name in DRAWING],
        size=CFG.benchmark.size or CFG.image_size,
        device=CFG.device,
        code=fingerprint_script("benchmark"),
    message:
        "Measure time and memory of all models, alone on the machine"
    shell:
        step(
            "benchmark",
            "--model recolor --model teacher {params.models} --content {input.content}"
            " --style {input.style} --size {params.size} --settings {params.benchmark:q}"
            " --teacher {params.teacher:q} --outside {params.outside:q} --device {params.device} --table {output}",
        )
