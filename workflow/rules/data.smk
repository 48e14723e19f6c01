# From sources to square crops: index, fetch, crop, and the golden set.


rule index:
    output:
        table=INDEX,
        excluded=f"{RESULTS}/index/{{source}}.excluded.csv",
    log:
        f"{LOGS}/index/{{source}}.log",
    benchmark:
        f"{TIMES}/index/{{source}}.tsv"
    conda:
        env("data")
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
    params:
        source=lambda wildcards: settings(
            CFG.sources[wildcards.source].model_dump(exclude=configuration.RIGHTS)
        ),
        code=fingerprint_script("index"),
    message:
        "List the pictures of source {wildcards.source}"
    shell:
        "python $SRC/index.py --name {wildcards.source} --source {params.source:q}"
        " --out {output.table} --excluded {output.excluded} 3>&2 >{log} 2>&1"


rule fetch:
    input:
        collect(INDEX, source=sorted({*CFG.blocks.contents, *CFG.blocks.styles})),
    output:
        BLOCK,
    log:
        f"{LOGS}/fetch/{{split}}/{{block}}.log",
    benchmark:
        f"{TIMES}/fetch/{{split}}/{{block}}.tsv"
    conda:
        env("data")
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    params:
        blocks=settings(CFG.blocks.shape),
        seed=CFG.seed,
        code=fingerprint_script("fetch"),
    message:
        "Choose the pictures of {wildcards.split} block {wildcards.block}"
    shell:
        "python $SRC/fetch.py {input} --blocks {params.blocks:q} --seed {params.seed}"
        " --split {wildcards.split} --block {wildcards.block} --out {output} 3>&2 >{log} 2>&1"


rule crop:
    input:
        BLOCK,
    output:
        [f"{IMAGES}/{{split}}/{{block}}/{name}.png" for name in CONTENTS + STYLES],
    log:
        f"{LOGS}/crop/{{split}}/{{block}}.log",
    benchmark:
        f"{TIMES}/crop/{{split}}/{{block}}.tsv"
    conda:
        env("data")
    threads: 1
    resources:
        mem_mb=800,
        runtime=30,
    params:
        sources=pictures_of({*CFG.blocks.contents, *CFG.blocks.styles}),
        size=CFG.image_size,
        out=subpath(output[0], parent=True),
        code=fingerprint_script("crop"),
    message:
        "Crop the pictures of {wildcards.split} block {wildcards.block}"
    shell:
        "python $SRC/crop.py --block {input} --sources {params.sources:q}"
        " --size {params.size} --out {params.out} 3>&2 >{log} 2>&1"


rule golden_table:
    input:
        collect(INDEX, source=CFG.sources),
    output:
        f"{RESULTS}/blocks/golden.csv",
    log:
        f"{LOGS}/golden_table.log",
    benchmark:
        f"{TIMES}/golden_table.tsv"
    conda:
        env("data")
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    params:
        golden=settings(CFG.golden),
        blocks=settings(CFG.blocks),
        seed=CFG.seed,
        code=fingerprint_script("golden"),
    message:
        "Choose the golden pictures, and refuse any that is in a block"
    shell:
        "python $SRC/golden.py {input} --golden {params.golden:q}"
        " --blocks {params.blocks:q} --seed {params.seed} --out {output} 3>&2 >{log} 2>&1"


rule golden_crop:
    input:
        f"{RESULTS}/blocks/golden.csv",
    output:
        GOLDEN_IMAGES,
    log:
        f"{LOGS}/golden_crop.log",
    benchmark:
        f"{TIMES}/golden_crop.tsv"
    conda:
        env("data")
    threads: 1
    resources:
        mem_mb=800,
        runtime=30,
    params:
        sources=pictures_of({*CFG.golden.contents, *CFG.golden.styles}),
        size=CFG.image_size,
        out=subpath(output[0], parent=True),
        code=fingerprint_script("crop"),
    message:
        "Crop the golden pictures"
    shell:
        "python $SRC/crop.py --block {input} --sources {params.sources:q}"
        " --size {params.size} --out {params.out} 3>&2 >{log} 2>&1"
