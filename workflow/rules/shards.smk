# Shards and manifests of the teacher's pairs, and the data card in the form that the Hugging Face hub reads.


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
        'python "$SRC"/steps/pack.py --block {input.table} --images {params.images}'
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
        'python "$SRC"/steps/manifest.py {input.shards} --split {wildcards.split}'
        " --pairs {params.pairs} --duplicates {input.duplicates} --out {output} 3>&2 >{log} 2>&1"


rule card:
    input:
        manifests=MANIFESTS,
        blocks=BLOCK_TABLES,
        excluded=collect(
            f"{RESULTS}/index/{{source}}.excluded.csv",
            source=sorted({*CFG.blocks.contents, *CFG.blocks.styles}),
        ),
        replaced=REPLACED,
    output:
        CARD,
    log:
        f"{LOGS}/card.log",
    benchmark:
        f"{TIMES}/card.tsv"
    localrule: True
    conda:
        env("model")
    container:
        image("model")
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    params:
        sources=given(
            settings(
                {
                    name: CFG.sources[name]
                    for name in {*CFG.blocks.contents, *CFG.blocks.styles}
                }
            )
        ),
        size=CFG.image_size,
        seed=CFG.seed,
        results=lambda wildcards, output: Path(output[0]).parents[1],
        code=fingerprint_script("card"),
    message:
        "Write the data card"
    shell:
        'python "$SRC"/steps/card.py --results {params.results} --sources {params.sources:q}'
        " --size {params.size} --seed {params.seed} --out {output} 3>&2 >{log} 2>&1"
