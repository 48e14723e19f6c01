# Variants of the teacher on the golden set, and other stylizers beside it.

VARIANTS = list(CFG.variants)
VARIANT_IMAGES = [
    f"{RESULTS}/ablation/{{variant}}/{pair}.png"
    for pair in called.grid(GOLDEN_CONTENTS, GOLDEN_STYLES)
]
ABLATION = multiext(f"{RESULTS}/tables/ablation", ".csv", ".md", ".tex") + multiext(
    f"{RESULTS}/figures/ablation", ".png", ".pdf"
)


rule render_variant:
    input:
        images=GOLDEN_CROPS,
        weights=TEACHER_STAMP,
    output:
        VARIANT_IMAGES,
    log:
        f"{LOGS}/render_variant/{{variant}}.log",
    benchmark:
        f"{TIMES}/render_variant/{{variant}}.tsv"
    wildcard_constraints:
        variant="|".join(VARIANTS) or "none",
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=gpu,
    params:
        teacher=lambda wildcards: as_json(CFG.variants[wildcards.variant]),
        mark=MARKS["teacher"],
        golden=GOLDEN_COUNTS,
        images=folder(IMAGES),
        store=STORE,
        device=CFG.device,
        out=subpath(output[0], parent=True),
        code=fingerprint_script("render"),
    message:
        "Stylize the golden set with the teacher's variant {wildcards.variant}"
    shell:
        step(
            "render",
            "--model teacher --teacher {params.teacher:q} --store {params.store} --images {params.images}"
            " {params.golden} --device {params.device} --out-golden {params.out}",
        )


rule score_variants:
    input:
        images=GOLDEN_CROPS,
        stylized=collect(VARIANT_IMAGES, variant=VARIANTS),
        weights=collect(STAMP, weight=requirements.for_scores(CFG)),
    output:
        tables=collect(f"{RESULTS}/ablation/{{variant}}.csv", variant=VARIANTS),
        summaries=collect(f"{RESULTS}/ablation/{{variant}}.json", variant=VARIANTS),
    log:
        f"{LOGS}/score_variants.log",
    benchmark:
        f"{TIMES}/score_variants.tsv"
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=gpu,
    params:
        variants=" ".join(VARIANTS),
        metrics=settings(CFG.metrics),
        networks=settings(CFG.networks),
        golden=GOLDEN_COUNTS,
        images=folder(IMAGES),
        stylized=subpath(output[0], parent=True),
        device=CFG.device,
        code=fingerprint_script("score_variants"),
    message:
        "Score the teacher's variants"
    shell:
        step(
            "score_variants",
            "{params.variants} --folder {params.stylized} --images {params.images} {params.golden}"
            " --settings {params.metrics:q} --networks {params.networks:q} --device {params.device}",
        )


# A few pairs are enough to estimate the deviation of the attention's logits.
rule deviation:
    input:
        contents=[f"{IMAGES}/golden/{name}.png" for name in GOLDEN_CONTENTS[:4]],
        styles=[f"{IMAGES}/golden/{name}.png" for name in GOLDEN_STYLES[:4]],
        weights=TEACHER_STAMP,
    output:
        f"{RESULTS}/ablation/deviation.csv",
    log:
        f"{LOGS}/deviation.log",
    benchmark:
        f"{TIMES}/deviation.tsv"
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=3000,
        runtime=120,
        gpu=gpu,
    params:
        teacher=settings(CFG.teacher.at_first_gamma),
        mark=MARKS["teacher"],
        contents=lambda wildcards, input: " ".join(
            f"--content {image}" for image in input.contents
        ),
        styles=lambda wildcards, input: " ".join(
            f"--style {image}" for image in input.styles
        ),
        device=CFG.device,
        code=fingerprint_script("deviation"),
    message:
        "Measure the deviation of the teacher's attention logits"
    shell:
        step(
            "deviation",
            "{params.contents} {params.styles} --teacher {params.teacher:q} --device {params.device}"
            " --table {output}",
        )


rule ablation_figure:
    input:
        scores=rules.score_variants.output,
        deviation=rules.deviation.output,
    output:
        [
            report(
                file,
                category="Ablation",
                labels={"part": Path(file).parent.name, "file": Path(file).suffix[1:]},
                caption="../report/ablation.rst",
            )
            for file in ABLATION
        ],
        f"{RESULTS}/tables/ablation.json",
    log:
        f"{LOGS}/ablation_figure.log",
    benchmark:
        f"{TIMES}/ablation_figure.tsv"
    localrule: True
    conda:
        env("report")
    container:
        image("report")
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        variants=settings(CFG.variants),
        order=",".join(VARIANTS),
        metrics=settings(CFG.metrics),
        seed=CFG.seed,
        results=folder(RESULTS),
        code=fingerprint_script("ablation_figure"),
    message:
        "Show what each part of the teacher does"
    shell:
        step(
            "ablation_figure",
            "--results {params.results} --variants {params.variants:q} --order {params.order}"
            " --settings {params.metrics:q} --seed {params.seed}",
        )


# A few pairs show what a stylizer does; a style that must be learned first takes its time.
COMPARED = called.grid(GOLDEN_CONTENTS[:2], GOLDEN_STYLES[:3])


rule compare_teachers:
    input:
        images=[
            f"{IMAGES}/golden/{name}.png"
            for name in GOLDEN_CONTENTS[:2] + GOLDEN_STYLES[:3]
        ],
        stylized=[f"{RESULTS}/golden/teacher/{pair}.png" for pair in COMPARED],
        teacher=TEACHER_STAMP,
        weights=collect(STAMP, weight=requirements.for_scores(CFG)),
    output:
        scores=f"{RESULTS}/teachers/scores.csv",
        stylized=[
            f"{RESULTS}/teachers/{name}/{pair}.png"
            for name in CFG.other_teachers
            for pair in COMPARED
        ],
    log:
        f"{LOGS}/compare_teachers.log",
    benchmark:
        f"{TIMES}/compare_teachers.tsv"
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=4000,
        runtime=480,
        gpu=gpu,
    params:
        teachers=settings(CFG.other_teachers),
        mark=MARKS["teacher"],
        metrics=settings(CFG.metrics),
        networks=settings(CFG.networks),
        counts=f"--golden-contents {len(GOLDEN_CONTENTS[:2])} --golden-styles {len(GOLDEN_STYLES[:3])}",
        images=folder(IMAGES),
        stylized=folder(f"{RESULTS}/golden/teacher"),
        store=STORE,
        device=CFG.device,
        out=subpath(output.scores, parent=True),
        code=fingerprint_script("compare_teachers"),
    message:
        "Stylize some golden pairs with other teachers"
    shell:
        step(
            "compare_teachers",
            "--teachers {params.teachers:q} --stylized {params.stylized} --images {params.images}"
            " --store {params.store} {params.counts} --settings {params.metrics:q}"
            " --networks {params.networks:q} --device {params.device} --out {params.out}",
        )


rule teachers_figure:
    input:
        scores=rules.compare_teachers.output.scores,
        images=rules.compare_teachers.input.images,
        teacher=rules.compare_teachers.input.stylized,
        others=rules.compare_teachers.output.stylized,
    output:
        [
            report(
                f"{RESULTS}/figures/teachers.{kind}",
                category="Figures",
                labels={"figure": "teachers", "file": kind.upper()},
                caption="../report/teachers.rst",
            )
            for kind in ("png", "pdf")
        ],
    log:
        f"{LOGS}/teachers_figure.log",
    benchmark:
        f"{TIMES}/teachers_figure.tsv"
    localrule: True
    conda:
        env("report")
    container:
        image("report")
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        titles=settings(CFG.teacher_titles),
        order=",".join(CFG.teacher_titles),
        results=folder(RESULTS),
        code=fingerprint_script("teachers_figure"),
    message:
        "Show the teacher beside other stylizers"
    shell:
        step(
            "teachers_figure",
            "--results {params.results} --titles {params.titles:q} --order {params.order}",
        )
