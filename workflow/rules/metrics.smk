# Pictures of every model, their scores, and what each model costs.


rule render:
    input:
        golden=GOLDEN_IMAGES,
        # Lists the validation pairs, and is made from their crops and teacher pictures.
        manifest=MANIFESTS[1],
        model=lambda wildcards: made_by(wildcards.model),
    output:
        golden=GOLDEN_PICTURES,
        validation=directory(VALIDATION),
    log:
        f"{LOGS}/render/{{model}}.log",
    benchmark:
        f"{TIMES}/render/{{model}}.tsv"
    wildcard_constraints:
        model="|".join(["teacher", *STUDENTS]),
    conda:
        env("model")
    container:
        image("model")
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
        gpu=gpu,
    params:
        model=lambda wildcards: options_of(wildcards.model),
        mark=mark_of,
        golden=GOLDEN_COUNTS,
        images=lambda wildcards, input: Path(GOLDEN_IMAGES[0]).parents[1],
        device=CFG.device,
        out=subpath(output[0], parent=True),
        code=fingerprint_script("render"),
    message:
        "Stylize the golden set and the validation pairs with {wildcards.model}"
    shell:
        'python "$SRC"/steps/render.py --model {wildcards.model} {params.model}'
        " --images {params.images} --manifest {input.manifest} {params.golden} --device {params.device}"
        " --out-golden {params.out} --out-validation {output.validation}"
        " 3>&2 >{log} 2>&1"


# The controls learnt nothing and need no network: one start of Python makes them all.
rule render_controls:
    input:
        golden=GOLDEN_IMAGES,
        manifest=MANIFESTS[1],
    output:
        golden=collect(GOLDEN_PICTURES, model=configuration.CONTROLS),
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
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        golden=GOLDEN_COUNTS,
        images=lambda wildcards, input: Path(GOLDEN_IMAGES[0]).parents[1],
        out=lambda wildcards, output: Path(output.golden[0]).parents[1],
        validation=lambda wildcards, output: Path(output.validation[0]).parent,
        code=fingerprint_script("render_controls"),
    message:
        "Make the controls' pictures of the golden set and the validation pairs"
    shell:
        'python "$SRC"/steps/render_controls.py --images {params.images} --manifest {input.manifest} {params.golden}'
        " --out-golden {params.out} --out-validation {params.validation} 3>&2 >{log} 2>&1"


# What no loss touches is scored by one job, which also sees the styles for FID: once, and not for every model.
rule score_fixed:
    input:
        images=GOLDEN_IMAGES,
        manifest=MANIFESTS[1],
        pictures=collect(GOLDEN_PICTURES, model=configuration.FIXED_MODELS),
        validation=collect(VALIDATION, model=configuration.FIXED_MODELS),
        weights=collect(STAMP, weight=requirements.for_scores(CFG)),
    output:
        tables=collect(SCORES, model=configuration.FIXED_MODELS),
        summaries=collect(
            f"{RESULTS}/metrics/{{model}}.json", model=configuration.FIXED_MODELS
        ),
        styles=STYLE_ACTIVATIONS,
    log:
        f"{LOGS}/score_fixed.log",
    benchmark:
        f"{TIMES}/score_fixed.tsv"
    conda:
        env("model")
    container:
        image("model")
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=gpu,
    params:
        metrics=settings(CFG.metrics),
        networks=given(settings(CFG.networks)),
        golden=GOLDEN_COUNTS,
        device=CFG.device,
        results=lambda wildcards, output: Path(output[0]).parents[1],
        models=" ".join(configuration.FIXED_MODELS),
        code=fingerprint_script("score"),
    message:
        "Score the teacher, the student before distillation and the controls"
    shell:
        'python "$SRC"/steps/score.py {params.models} --results {params.results} {params.golden}'
        " --settings {params.metrics:q} --networks {params.networks:q} --device {params.device}"
        " --styles {output.styles} 3>&2 >{log} 2>&1"


rule score:
    input:
        images=GOLDEN_IMAGES,
        manifest=MANIFESTS[1],
        pictures=GOLDEN_PICTURES,
        validation=VALIDATION,
        teacher=[path.format(model="teacher") for path in GOLDEN_PICTURES],
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
        model="|".join(CFG.losses),
    conda:
        env("model")
    container:
        image("model")
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=gpu,
    params:
        metrics=settings(CFG.metrics),
        networks=given(settings(CFG.networks)),
        golden=GOLDEN_COUNTS,
        device=CFG.device,
        results=lambda wildcards, output: Path(output[0]).parents[1],
        code=fingerprint_script("score"),
    message:
        "Score {wildcards.model}"
    shell:
        'python "$SRC"/steps/score.py {wildcards.model} --results {params.results} {params.golden}'
        " --settings {params.metrics:q} --networks {params.networks:q} --device {params.device}"
        " --styles {input.styles} 3>&2 >{log} 2>&1"


rule benchmark:
    input:
        content=f"{IMAGES}/golden/c0.png",
        style=f"{IMAGES}/golden/s0.png",
        students=[made_by(name) for name in STUDENTS],
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
    # All cores, so that nothing else runs beside it and disturbs the times; a cluster's profile keeps its node free.
    threads: all_cores
    resources:
        mem_mb=6000,
        runtime=120,
        gpu=all_gpus,
    params:
        benchmark=settings(CFG.benchmark),
        teacher=given(settings(CFG.teacher)),
        models=" ".join(f"--model {name}={folder}" for name, folder in IN_SHELL.items()),
        teacher_mark=teacher_mark,
        start_mark=start_mark,
        size=CFG.benchmark.size or CFG.image_size,
        device=CFG.device,
        code=fingerprint_script("benchmark"),
    message:
        "Measure seconds and memory of all models, alone on the machine"
    shell:
        'python "$SRC"/steps/benchmark.py --model recolor --model teacher {params.models}'
        " --content {input.content} --style {input.style} --size {params.size} --settings {params.benchmark:q}"
        " --teacher {params.teacher:q} --device {params.device} --table {output} 3>&2 >{log} 2>&1"
