# The data card: what the shards hold, in the form that the Hugging Face hub reads.


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
        'python "$SRC"/card.py --results {params.results} --sources {params.sources:q}'
        " --size {params.size} --seed {params.seed} --out {output} 3>&2 >{log} 2>&1"
