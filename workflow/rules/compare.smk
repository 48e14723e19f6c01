# Models against each other, against the preprint's claims, and, where the protocol is StyleID's, against its table.

COMPARISONS = ["differences", "claims"] + (
    ["published"] if protocol.is_styleids(CFG) else []
)


rule compare:
    input:
        scores=collect(SCORES, model=CFG.models),
        metrics=METRICS,
        benchmark=BENCHMARK,
        golden=f"{RESULTS}/blocks/golden.csv" if "published" in COMPARISONS else [],
    output:
        [
            report(
                f"{RESULTS}/tables/{name}.{kind}",
                category="Tables",
                labels={"table": name, "file": title},
                caption=f"../report/{name}.rst",
            )
            for name in COMPARISONS
            for kind, title in (("csv", "CSV"), ("md", "Markdown"), ("tex", "LaTeX"))
        ],
    log:
        f"{LOGS}/compare.log",
    benchmark:
        f"{TIMES}/compare.tsv"
    localrule: True
    conda:
        env("report")
    container:
        image("report")
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        models=",".join(CFG.models),  # the order of rows
        losses=settings(CFG.losses),
        seed=CFG.seed,
        published=lambda wildcards, input: (
            f"--golden {input.golden}" if input.golden else ""
        ),
        out=subpath(output[0], parent=True),
        code=fingerprint_script("compare"),
    message:
        "Compare the models with each other and with the preprint's claims"
    shell:
        'python "$SRC"/compare.py {input.scores} --losses {params.losses:q} --seed {params.seed}'
        " --metrics {input.metrics} --benchmark {input.benchmark} {params.published} --out {params.out}"
        " 3>&2 >{log} 2>&1"
