# From sources to square crops: blocks and the golden set. Local rules fetch from servers; all others need no network.

SPLITS = f"{RESULTS}/splits.csv"


rule select_block:
    input:
        collect(INDEX, source=sorted({*CFG.blocks.contents, *CFG.blocks.styles})),
    output:
        table=BLOCK,
        excluded=f"{RESULTS}/blocks/{{split}}/{{block}}.excluded.csv",
    log:
        f"{LOGS}/select_block/{{split}}/{{block}}.log",
    benchmark:
        f"{TIMES}/select_block/{{split}}/{{block}}.tsv"
    localrule: True
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=500,
        runtime=30,
    params:
        sources=images_of({*CFG.blocks.contents, *CFG.blocks.styles}),
        blocks=settings(CFG.blocks.shape),
        seed=CFG.seed,
        code=fingerprint_script("select_block"),
    message:
        "Choose the images of {wildcards.split} block {wildcards.block}"
    shell:
        step(
            "select_block",
            "{input} --sources {params.sources:q} --blocks {params.blocks:q} --seed {params.seed}"
            " --split {wildcards.split} --block {wildcards.block} --out {output.table}"
            " --excluded {output.excluded}",
            offline=0,
        )


rule crop:
    input:
        BLOCK,
    output:
        CROPS,
    log:
        f"{LOGS}/crop/{{split}}/{{block}}.log",
    benchmark:
        f"{TIMES}/crop/{{split}}/{{block}}.tsv"
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=800,
        runtime=30,
    params:
        sources=images_of({*CFG.blocks.contents, *CFG.blocks.styles}),
        size=CFG.image_size,
        out=subpath(output[0], parent=True),
        code=fingerprint_script("crop"),
    message:
        "Crop the images of {wildcards.split} block {wildcards.block}"
    shell:
        step(
            "crop",
            "--block {input} --sources {params.sources:q} --size {params.size} --out {params.out}",
        )


# Depends on the number of blocks and on the golden set, so no block waits for it; its priority makes it run first.
rule splits:
    input:
        collect(INDEX, source=CFG.sources),
    output:
        SPLITS,
    log:
        f"{LOGS}/splits.log",
    benchmark:
        f"{TIMES}/splits.tsv"
    priority: 10
    localrule: True
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        sources=images_of(CFG.sources),
        golden=settings(CFG.golden),
        blocks=settings(CFG.blocks),
        seed=CFG.seed,
        code=fingerprint_script("splits"),
    message:
        "Check that no image is in two splits"
    shell:
        step(
            "splits",
            "{input} --sources {params.sources:q} --golden {params.golden:q} --blocks {params.blocks:q}"
            " --seed {params.seed} --out {output}",
        )


rule select_golden:
    input:
        collect(INDEX, source=sorted({*CFG.golden.contents, *CFG.golden.styles})),
    output:
        table=GOLDEN_TABLE,
        excluded=f"{RESULTS}/blocks/golden.excluded.csv",
    log:
        f"{LOGS}/select_golden.log",
    benchmark:
        f"{TIMES}/select_golden.tsv"
    localrule: True
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        sources=images_of({*CFG.golden.contents, *CFG.golden.styles}),
        golden=settings(CFG.golden),
        seed=CFG.seed,
        code=fingerprint_script("select_golden"),
    message:
        "Choose the golden images"
    shell:
        step(
            "select_golden",
            "{input} --sources {params.sources:q} --golden {params.golden:q} --seed {params.seed}"
            " --out {output.table} --excluded {output.excluded}",
            offline=0,
        )


rule crop_golden:
    input:
        GOLDEN_TABLE,
    output:
        GOLDEN_CROPS,
    log:
        f"{LOGS}/crop_golden.log",
    benchmark:
        f"{TIMES}/crop_golden.tsv"
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=800,
        runtime=30,
    params:
        sources=images_of({*CFG.golden.contents, *CFG.golden.styles}),
        size=CFG.image_size,
        out=subpath(output[0], parent=True),
        code=fingerprint_script("crop"),
    message:
        "Crop the golden images"
    shell:
        step(
            "crop",
            "--block {input} --sources {params.sources:q} --size {params.size} --out {params.out}",
        )


# `ancient`: a changed golden set alone must not rerun training. Here and in `duplicates_golden` the table is a path, and not
# `rules.select_golden`: in a rule that names another one, Snakemake hashes the whole list of crops for each crop.
rule duplicates:
    input:
        golden=ancient(GOLDEN_TABLE),
        images=ancient(GOLDEN_CROPS[0]),  # one job makes all; their number must not matter here
        blocks=BLOCK_TABLES,
        crops=[crop for pattern in CROPS for crop in in_blocks(pattern)],
    output:
        DUPLICATES,
    log:
        f"{LOGS}/duplicates.log",
    benchmark:
        f"{TIMES}/duplicates.tsv"
    localrule: True
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=500,
        runtime=30,
    params:
        images=folder(IMAGES),
        code=fingerprint_script("duplicates"),
    message:
        "Find near-duplicates across training, validation and the golden set"
    shell:
        step(
            "duplicates",
            "{input.blocks} --golden {input.golden} --images {params.images} --out {output}",
        )


# Only the report waits for this job. It refuses a later golden set that holds an image of a block.
rule duplicates_golden:
    input:
        splits=SPLITS,
        known=DUPLICATES,
        golden=GOLDEN_TABLE,
        images=GOLDEN_CROPS,
        blocks=BLOCK_TABLES,
        crops=[crop for pattern in CROPS for crop in in_blocks(pattern)],
    output:
        GOLDEN_ALONE,
    log:
        f"{LOGS}/duplicates_golden.log",
    benchmark:
        f"{TIMES}/duplicates_golden.tsv"
    priority: 10
    localrule: True
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=500,
        runtime=30,
    params:
        images=folder(IMAGES),
        code=fingerprint_script("duplicates"),
    message:
        "Find golden images that resemble training images"
    shell:
        step(
            "duplicates",
            "{input.blocks} --golden {input.golden} --left-out {input.known} --images {params.images}"
            " --out {output}",
        )
