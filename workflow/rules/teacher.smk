# The teacher's images, block by block.


rule teach:
    input:
        images=CROPS,
        weights=TEACHER_STAMP,
    output:
        [f"{TEACHER}/{{split}}/{{block}}/{pair}.png" for pair in PAIRS],
        # What decides the images: the teacher's settings and a hash of its weights.
        f"{TEACHER}/{{split}}/{{block}}/teacher.json",
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
        gpu=gpu,
    params:
        teacher=settings(CFG.teacher),
        mark=MARKS["teacher"],
        shape=f"{len(CONTENTS)} {len(STYLES)}",
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
            " --store {params.store} --device {params.device} --out {params.out}",
        )
