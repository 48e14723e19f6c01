# The teacher's images, block by block.

# Round-trip errors of the images of a block, where the teacher inverts them.
INVERSIONS = f"{TEACHER}/{{split}}/{{block}}/inversion.csv"

# A teacher of images can make no golden image: that of the triplet is brought, and kept where the teacher finds it.
GOLDEN_TARGETS = (
    [
        f"{TEACHER}/golden/{pair}.png"
        for pair in called.grid(GOLDEN_CONTENTS, GOLDEN_STYLES)
    ]
    if CFG.teacher.method == "images"
    else []
)
MADE_BY["teacher"] = [*TEACHER_STAMP, *GOLDEN_TARGETS]


rule teach:
    input:
        images=CROPS,
        weights=TEACHER_STAMP,
        table=BLOCK if CFG.teacher.method == "images" else [],
    output:
        [f"{TEACHER}/{{split}}/{{block}}/{pair}.png" for pair in PAIRS],
        [
            f"{TEACHER}/{{split}}/{{block}}/{called.at_gamma(gamma)}/{pair}.png"
            for gamma in CFG.teacher.further_gammas
            for pair in PAIRS
        ],
        # What decides the images: the teacher's settings and a hash of its weights.
        f"{TEACHER}/{{split}}/{{block}}/teacher.json",
        # How well each image comes back from its inversion.
        INVERSIONS if CFG.teacher.inverts else [],
    log:
        f"{LOGS}/teach/{{split}}/{{block}}.log",
    benchmark:
        f"{TIMES}/teach/{{split}}/{{block}}.tsv"
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=2500,
        runtime=240,
        # Targets of finished triplets are only cropped.
        gpu=0 if CFG.teacher.method == "images" else gpu,
    params:
        teacher=settings(CFG.teacher),
        mark=MARKS["teacher"],
        shape=f"{len(CONTENTS)} {len(STYLES)}",
        sources=(
            images_of({*CFG.blocks.contents, *CFG.blocks.styles})
            if CFG.teacher.method == "images"
            else settings({})
        ),
        device=CFG.device,
        store=STORE,
        images=folder(f"{IMAGES}/{{split}}/{{block}}"),
        out=subpath(output[0], parent=True),
        code=fingerprint_script("teach"),
    message:
        "Stylize {wildcards.split} block {wildcards.block} with the teacher"
    shell:
        step(
            "teach",
            "--images {params.images} --shape {params.shape} --teacher {params.teacher:q}"
            " --store {params.store} --device {params.device} --out {params.out}"
            " --sources {params.sources:q} {input.table}",
        )


if GOLDEN_TARGETS:

    use rule teach as teach_golden with:
        input:
            images=GOLDEN_CROPS,
            weights=[],
            table=GOLDEN_TABLE,
        output:
            GOLDEN_TARGETS,
            f"{TEACHER}/golden/teacher.json",
        log:
            f"{LOGS}/teach_golden.log",
        benchmark:
            f"{TIMES}/teach_golden.tsv"
        params:
            teacher=settings(CFG.teacher),
            mark="",
            shape=f"{len(GOLDEN_CONTENTS)} {len(GOLDEN_STYLES)}",
            sources=images_of({*CFG.golden.contents, *CFG.golden.styles}),
            device=CFG.device,
            store=STORE,
            images=folder(f"{IMAGES}/golden"),
            out=subpath(output[0], parent=True),
            code=fingerprint_script("teach"),
        message:
            "Bring the golden triplets"
