# Shards and manifests of the teacher's pairs, and the data card in the Hugging Face hub's form.

from styledistill.core.files import sha256_file

# Structure and style of each training pair, where some are to be dropped by them.
QUALITY = f"{RESULTS}/quality/train/{{block}}.csv"
CARD = f"{RESULTS}/shards/README.md"


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
    resources:
        mem_mb=500,
        runtime=30,
    params:
        images=folder(f"{IMAGES}/{{split}}/{{block}}"),
        teacher=folder(f"{TEACHER}/{{split}}/{{block}}"),
        code=fingerprint_script("pack"),
    message:
        "Pack {wildcards.split} block {wildcards.block} into a shard"
    shell:
        step(
            "pack",
            "--block {input.table} --images {params.images} --teacher {params.teacher}"
            " --name {wildcards.split}_{wildcards.block} --out {output}",
        )


if CFG.pairs.keep:

    rule score_pairs:
        input:
            table=f"{RESULTS}/blocks/train/{{block}}.csv",
            images=[
                f"{IMAGES}/train/{{block}}/{name}.png" for name in CONTENTS + STYLES
            ],
            teacher=[
                f"{TEACHER}/train/{{block}}/{name}"
                for name in [*(f"{pair}.png" for pair in PAIRS), "teacher.json"]
            ],
            weights=collect(STAMP, weight=requirements.for_pairs(CFG)),
        output:
            QUALITY,
        log:
            f"{LOGS}/score_pairs/{{block}}.log",
        benchmark:
            f"{TIMES}/score_pairs/{{block}}.tsv"
        conda:
            env("model")
        container:
            image("model")
        resources:
            mem_mb=3000,
            runtime=60,
            gpu=gpu,
        params:
            networks=settings(CFG.networks),
            images=folder(f"{IMAGES}/train/{{block}}"),
            teacher=folder(f"{TEACHER}/train/{{block}}"),
            device=CFG.device,
            code=fingerprint_script("score_pairs"),
        message:
            "Score the pairs of train block {wildcards.block}"
        shell:
            step(
                "score_pairs",
                "--block {input.table} --images {params.images} --teacher {params.teacher}"
                " --networks {params.networks:q} --device {params.device} --out {output}",
            )


rule manifest:
    input:
        shards=lambda wildcards: collect(
            SHARD, split=wildcards.split, block=BLOCKS[wildcards.split]
        ),
        # Validation pairs are removed only for golden duplicates, so more training blocks must not rerun this manifest.
        duplicates=lambda wildcards: (
            DUPLICATES if wildcards.split == "train" else ancient(DUPLICATES)
        ),
        # Validation judges all models by the same pairs, so only training pairs are dropped.
        qualities=lambda wildcards: (
            collect(QUALITY, block=BLOCKS["train"])
            if CFG.pairs.keep and wildcards.split == "train"
            else []
        ),
        inversions=lambda wildcards: (
            collect(INVERSIONS, split="train", block=BLOCKS["train"])
            if CFG.pairs.keep
            and CFG.pairs.keep.inversion_max
            and wildcards.split == "train"
            else []
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
    resources:
        mem_mb=500,
        runtime=30,
    params:
        pairs=lambda wildcards: getattr(CFG.pairs, wildcards.split),
        keep=lambda wildcards: as_json(
            CFG.pairs.keep if wildcards.split == "train" else None
        ),
        qualities=lambda wildcards, input: [
            f"--qualities {table}" for table in input.qualities
        ],
        inversions=lambda wildcards, input: [
            f"--inversions {table}" for table in input.inversions
        ],
        code=fingerprint_script("manifest"),
    message:
        "List the pairs of split {wildcards.split}"
    shell:
        step(
            "manifest",
            "{input.shards} --split {wildcards.split} --pairs {params.pairs}"
            " --duplicates {input.duplicates} --keep {params.keep:q} {params.qualities} {params.inversions} --out {output}",
        )


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
    resources:
        mem_mb=500,
        runtime=30,
    params:
        sources=settings(
            {
                name: CFG.sources[name]
                for name in {*CFG.blocks.contents, *CFG.blocks.styles}
            }
        ),
        size=CFG.image_size,
        seed=CFG.seed,
        results=folder(RESULTS),
        # Not an input: its path would rerun the card after the repository is moved.
        template=sha256_file(PROJECT / "src/styledistill/shards/card.md.j2"),
        code=fingerprint_script("card"),
    message:
        "Write the data card"
    shell:
        step(
            "card",
            "--results {params.results} --sources {params.sources:q} --size {params.size}"
            " --seed {params.seed} --out {output}",
        )
