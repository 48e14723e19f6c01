# From sources to square crops: index, fetch, crop, and the golden set.


rule index:
    message:
        "List the pictures of source {wildcards.source}"
    output:
        table=INDEX,
        excluded=f"{RESULTS}/index/{{source}}.excluded.csv",
    log:
        f"{LOGS}/index/{{source}}.log",
    benchmark:
        f"{TIMES}/index/{{source}}.tsv"
    params:
        source=lambda wildcards: settings(CFG.sources[wildcards.source]),
        code=fingerprint_script("index"),
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
    conda:
        env("data")
    shell:
        "STYLEDISTILL_TERMINAL=3 python {SRC}/index.py --name {wildcards.source} --source {params.source:q}"
        " --out {output.table} --excluded {output.excluded} 3>&2 >{log} 2>&1"


rule fetch:
    message:
        "Choose the pictures of {wildcards.split} block {wildcards.block}"
    input:
        collect(INDEX, source=sorted({*CFG.blocks.contents, *CFG.blocks.styles})),
    output:
        BLOCK,
    log:
        f"{LOGS}/fetch/{{split}}/{{block}}.log",
    benchmark:
        f"{TIMES}/fetch/{{split}}/{{block}}.tsv"
    params:
        blocks=settings(CFG.blocks.shape),
        seed=CFG.seed,
        code=fingerprint_script("fetch"),
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    conda:
        env("data")
    shell:
        "STYLEDISTILL_TERMINAL=3 python {SRC}/fetch.py {input} --blocks {params.blocks:q} --seed {params.seed}"
        " --split {wildcards.split} --block {wildcards.block} --out {output} 3>&2 >{log} 2>&1"


rule crop:
    message:
        "Crop the pictures of {wildcards.split} block {wildcards.block}"
    input:
        BLOCK,
    output:
        [f"{IMAGES}/{{split}}/{{block}}/{name}.png" for name in CONTENTS + STYLES],
    log:
        f"{LOGS}/crop/{{split}}/{{block}}.log",
    benchmark:
        f"{TIMES}/crop/{{split}}/{{block}}.tsv"
    params:
        sources=settings({name: CFG.sources[name] for name in {*CFG.blocks.contents, *CFG.blocks.styles}}),
        size=CFG.image_size,
        out=f"{IMAGES}/{{split}}/{{block}}",
        code=fingerprint_script("crop"),
    threads: 1
    resources:
        mem_mb=800,
        runtime=30,
    conda:
        env("data")
    shell:
        "STYLEDISTILL_TERMINAL=3 python {SRC}/crop.py --block {input} --sources {params.sources:q}"
        " --size {params.size} --out {params.out} 3>&2 >{log} 2>&1"


rule golden_table:
    message:
        "Choose the golden pictures, and refuse any that is in a block"
    input:
        collect(INDEX, source=CFG.sources),
    output:
        f"{RESULTS}/blocks/golden.csv",
    log:
        f"{LOGS}/golden_table.log",
    benchmark:
        f"{TIMES}/golden_table.tsv"
    params:
        golden=settings(CFG.golden),
        blocks=settings(CFG.blocks),
        seed=CFG.seed,
        code=fingerprint_script("golden"),
    threads: 1
    resources:
        mem_mb=500,
        runtime=30,
    conda:
        env("data")
    shell:
        "STYLEDISTILL_TERMINAL=3 python {SRC}/golden.py {input} --golden {params.golden:q}"
        " --blocks {params.blocks:q} --seed {params.seed} --out {output} 3>&2 >{log} 2>&1"


rule golden_crop:
    message:
        "Crop the golden pictures"
    input:
        f"{RESULTS}/blocks/golden.csv",
    output:
        GOLDEN_IMAGES,
    log:
        f"{LOGS}/golden_crop.log",
    benchmark:
        f"{TIMES}/golden_crop.tsv"
    params:
        sources=settings({name: CFG.sources[name] for name in {*CFG.golden.contents, *CFG.golden.styles}}),
        size=CFG.image_size,
        out=f"{IMAGES}/golden",
        code=fingerprint_script("crop"),
    threads: 1
    resources:
        mem_mb=800,
        runtime=30,
    conda:
        env("data")
    shell:
        "STYLEDISTILL_TERMINAL=3 python {SRC}/crop.py --block {input} --sources {params.sources:q}"
        " --size {params.size} --out {params.out} 3>&2 >{log} 2>&1"
