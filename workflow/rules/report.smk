# Tables and figures over all models, and the page that shows them.


rule table:
    input:
        collect(SCORES, model=CFG.models),
    output:
        csv=report(
            METRICS,
            category="Tables",
            labels={"table": "metrics"},
            caption="../report/metrics.rst",
        ),
        markdown=f"{RESULTS}/tables/metrics.md",
        latex=f"{RESULTS}/tables/metrics.tex",
    log:
        f"{LOGS}/table.log",
    benchmark:
        f"{TIMES}/table.tsv"
    conda:
        env("report")
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        metrics=settings(CFG.metrics),
        seed=CFG.seed,
        code=fingerprint_script("table"),
    message:
        "Gather the scores of all models"
    shell:
        "python $SRC/table.py {input} --settings {params.metrics:q} --seed {params.seed}"
        " --csv {output.csv} --markdown {output.markdown} --latex {output.latex} 3>&2 >{log} 2>&1"


rule figures:
    input:
        golden=GOLDEN_IMAGES,
        samples=[f"{IMAGES}/train/0000/{name}.png" for name in CONTENTS + STYLES],
        teacher=[f"{TEACHER}/train/0000/{pair}.png" for pair in PAIRS],
        pictures=collect(GOLDEN_PICTURES, model=CFG.models),
        histories=collect(f"{RESULTS}/students/{{loss}}/history.csv", loss=CFG.losses),
        metrics=METRICS,
        benchmark=BENCHMARK,
    output:
        golden=report(
            f"{RESULTS}/figures/golden.png",
            category="Figures",
            labels={"figure": "golden set"},
            caption="../report/golden.rst",
        ),
        losses=report(
            f"{RESULTS}/figures/losses.png",
            category="Figures",
            labels={"figure": "loss curves"},
            caption="../report/losses.rst",
        ),
        samples=report(
            f"{RESULTS}/figures/samples.png",
            category="Figures",
            labels={"figure": "samples of the data set"},
            caption="../report/samples.rst",
        ),
        print=[
            f"{RESULTS}/figures/{name}.pdf"
            for name in ("golden", "losses", "samples", "cost")
        ],
        cost=f"{RESULTS}/figures/cost.png",
    log:
        f"{LOGS}/figures.log",
    benchmark:
        f"{TIMES}/figures.tsv"
    conda:
        env("report")
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        golden=f"--golden-contents {len(GOLDEN_CONTENTS)} --golden-styles {len(GOLDEN_STYLES)}",
        models=",".join(["teacher", "pretrained", *CFG.losses]),
        losses=",".join(CFG.losses),
        results=lambda wildcards, output: Path(output[0]).parents[1],
        code=fingerprint_script("figures"),
    message:
        "Draw the golden sheet, samples and curves"
    shell:
        "python $SRC/figures.py --results {params.results} {params.golden}"
        " --models {params.models} --losses {params.losses} 3>&2 >{log} 2>&1"


rule report:
    input:
        figures=rules.figures.output,
        metrics=rules.table.output,
        benchmark=BENCHMARK,
        excluded=collect(f"{RESULTS}/index/{{source}}.excluded.csv", source=CFG.sources),
        manifests=MANIFESTS,
        template=f"{workflow.basedir}/src/styledistill/report/page.html.j2",
    output:
        REPORT,
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{TIMES}/report.tsv"
    conda:
        env("report")
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        config=CFG.model_dump_json(),
        results=lambda wildcards, output: Path(output[0]).parents[0],
        code=fingerprint_script("report"),
    message:
        "Write the report"
    shell:
        "python $SRC/report.py --results {params.results} --config {params.config:q}"
        " --out {output} 3>&2 >{log} 2>&1"
