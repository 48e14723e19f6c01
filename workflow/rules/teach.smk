# The teacher's pictures, block by block, and the shards and manifests made from them.


rule teach:
    input:
        images=[
            f"{IMAGES}/{{split}}/{{block}}/{name}.png" for name in CONTENTS + STYLES
        ],
        weights=TEACHER_STAMP,
    output:
        [f"{TEACHER}/{{split}}/{{block}}/{pair}.png" for pair in PAIRS],
        # What decided the pictures: the teacher's settings, and a hash of its weights.
        f"{TEACHER}/{{split}}/{{block}}/teacher.json",
    log:
        f"{LOGS}/teach/{{split}}/{{block}}.log",
    benchmark:
        f"{TIMES}/teach/{{split}}/{{block}}.tsv"
    conda:
        env("model")
    container:
        image("model")
    threads: 1
    resources:
        mem_mb=2500,
        runtime=240,
        gpu=gpu,
    params:
        teacher=given(settings(CFG.teacher)),
        mark=teacher_mark,
        shape=f"{len(CONTENTS)} {len(STYLES)}",
        device=CFG.device,
        store=STORE,
        images=lambda wildcards, input: folder_of(input.images),
        out=subpath(output[0], parent=True),
        code=fingerprint_script("teach"),
    message:
        "Stylize {wildcards.split} block {wildcards.block} with the teacher"
    shell:
        'python "$SRC"/teach.py --images {params.images} --shape {params.shape}'
        " --teacher {params.teacher:q} --store {params.store} --device {params.device} --out {params.out}"
        " 3>&2 >{log} 2>&1"


rule pack:
    input:
        table=BLOCK,
        images=rules.crop.output,
        teacher=rules.teach.output,
    output:
        SHARD,
    log:
        f"{LOGS}/pack/{{split}}/{{block}}.log",
    benchmark:
        f"{TIMES}/pack/{{split}}/{{block}}.tsv"
    conda:
        env("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    params:
        images=lambda wildcards, input: folder_of(input.images),
        pictures=lambda wildcards, input: folder_of(input.teacher),
        code=fingerprint_script("pack"),
    message:
        "Pack {wildcards.split} block {wildcards.block} into a shard"
    shell:
        'python "$SRC"/pack.py --block {input.table} --images {params.images}'
        " --teacher {params.pictures}"
        " --name {wildcards.split}_{wildcards.block} --out {output} 3>&2 >{log} 2>&1"


rule manifest:
    input:
        shards=lambda wildcards: collect(
            SHARD, split=wildcards.split, block=BLOCKS[wildcards.split]
        ),
        # Validation gives way to the golden set alone: more training blocks, and a table made anew, are nothing to it.
        duplicates=lambda wildcards: (
            DUPLICATES if wildcards.split == "train" else ancient(DUPLICATES)
        ),
    output:
        MANIFEST,
    log:
        f"{LOGS}/manifest/{{split}}.log",
    benchmark:
        f"{TIMES}/manifest/{{split}}.tsv"
    localrule: True
    conda:
        env("data")
    container:
        image("data")
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    params:
        pairs=lambda wildcards: getattr(CFG.pairs, wildcards.split),
        code=fingerprint_script("manifest"),
    message:
        "List the pairs of split {wildcards.split}"
    shell:
        'python "$SRC"/manifest.py {input.shards} --split {wildcards.split}'
        " --pairs {params.pairs} --duplicates {input.duplicates} --out {output} 3>&2 >{log} 2>&1"
