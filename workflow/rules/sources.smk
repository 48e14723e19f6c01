# Index of each source. A local rule lists sources on a server, on the machine that Snakemake runs on.


rule index:
    output:
        table=INDEX,
        excluded=f"{RESULTS}/index/{{source}}.excluded.csv",
    log:
        f"{LOGS}/index/{{source}}.log",
    benchmark:
        f"{TIMES}/index/{{source}}.tsv"
    wildcard_constraints:
        source=one_of(set(CFG.sources) - set(REMOTE)),
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=500,
        runtime=60,
    params:
        source=lambda wildcards: as_json(
            CFG.sources[wildcards.source].model_dump(exclude=configuration.RIGHTS)
        ),
        files=lambda wildcards: preflight.listing(CFG.sources[wildcards.source]),
        code=fingerprint_script("index"),
        offline=1,
    message:
        "List the images of source {wildcards.source}"
    shell:
        step(
            "index",
            "--name {wildcards.source} --source {params.source:q} --out {output.table}"
            " --excluded {output.excluded}",
            offline="{params.offline}",
        )


use rule index as index_remote with:
    wildcard_constraints:
        source=one_of(REMOTE),
    localrule: True
    params:
        offline=0,
