# Tables and figures over all models, and the page that shows them.

from styledistill.core.files import sha256_file
from styledistill.report.tables import protocol

METRICS = f"{RESULTS}/tables/metrics.csv"
# The same as the page and other jobs read it.
STORED_METRICS = f"{RESULTS}/tables/metrics.json"
REPORT = f"{RESULTS}/report.html"
# File in figures/ -> its name in Snakemake's report; its caption is ../report/<file>.rst.
FIGURES = {
    "golden": "golden set",
    "losses": "loss curves",
    "cost": "quality against cost",
    "breakdown": "distance by content and by style",
    "pairs": "closest and farthest pairs",
    "samples": "samples of the data set",
}
COMPARISONS = ["differences", "claims"] + (
    ["published"] if protocol.is_styleids(CFG) else []
)


rule table:
    input:
        collect(SCORES, model=CFG.models),
    output:
        csv=report(
            METRICS,
            category="Tables",
            labels={"table": "metrics", "file": "CSV"},
            caption="../report/metrics.rst",
        ),
        markdown=report(
            f"{RESULTS}/tables/metrics.md",
            category="Tables",
            labels={"table": "metrics", "file": "Markdown"},
            caption="../report/metrics.rst",
        ),
        latex=report(
            f"{RESULTS}/tables/metrics.tex",
            category="Tables",
            labels={"table": "metrics", "file": "LaTeX"},
            caption="../report/metrics.rst",
        ),
        stored=STORED_METRICS,
    log:
        f"{LOGS}/table.log",
    benchmark:
        f"{TIMES}/table.tsv"
    localrule: True
    conda:
        env("report")
    container:
        image("report")
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        # The order of rows; Snakemake does not rerun for a changed order of inputs.
        models=",".join(CFG.models),
        metrics=settings(CFG.metrics),
        seed=CFG.seed,
        code=fingerprint_script("table"),
    message:
        "Gather the scores of all models"
    shell:
        step(
            "table",
            "{input} --settings {params.metrics:q} --seed {params.seed} --table {output.csv}",
        )


# Compares models with each other, with the preprint's claims, and, for StyleID's protocol, with its published table.
rule compare:
    input:
        scores=collect(SCORES, model=CFG.models),
        metrics=STORED_METRICS,
        benchmark=BENCHMARK,
        golden=GOLDEN_TABLE if "published" in COMPARISONS else [],
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
        [f"{RESULTS}/tables/{name}.json" for name in COMPARISONS],
    log:
        f"{LOGS}/compare.log",
    benchmark:
        f"{TIMES}/compare.tsv"
    localrule: True
    conda:
        env("report")
    container:
        image("report")
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
        step(
            "compare",
            "{input.scores} --losses {params.losses:q} --seed {params.seed} --metrics {input.metrics}"
            " --benchmark {input.benchmark} {params.published} --out {params.out}",
        )


rule figures:
    input:
        golden=GOLDEN_CROPS,
        samples=[f"{IMAGES}/train/0000/{name}.png" for name in CONTENTS + STYLES],
        teacher=[f"{TEACHER}/train/0000/{pair}.png" for pair in PAIRS],
        stylized=collect(GOLDEN_STYLIZED, model=CFG.models),
        validation=collect(VALIDATION, model=["teacher", *CFG.validated]),
        manifest=MANIFESTS[1],
        histories=collect(f"{RESULTS}/students/{{loss}}/history.csv", loss=CFG.losses),
        scores=collect(SCORES, model=CFG.models),
        metrics=STORED_METRICS,
        benchmark=BENCHMARK,
    output:
        [
            report(
                f"{RESULTS}/figures/{name}.{kind}",
                category="Figures",
                labels={"figure": title, "file": kind.upper()},
                caption=f"../report/{name}.rst",
            )
            for name, title in FIGURES.items()
            for kind in ("png", "pdf")
        ],
    log:
        f"{LOGS}/figures.log",
    benchmark:
        f"{TIMES}/figures.tsv"
    localrule: True
    conda:
        env("report")
    container:
        image("report")
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        golden=GOLDEN_COUNTS,
        models=",".join(["teacher", *CFG.starts, *CFG.compared]),
        losses=",".join(CFG.losses),
        validated=",".join(CFG.validated),
        results=folder(RESULTS),
        code=fingerprint_script("figures"),
    message:
        "Draw the figures"
    shell:
        step(
            "figures",
            "--results {params.results} {params.golden} --models {params.models} --losses {params.losses}"
            " --validated {params.validated}",
        )


rule report:
    input:
        figures=rules.figures.output,
        onnx=collect(rules.export_onnx.output.facts, loss=CFG.losses),
        metrics=rules.table.output,
        comparisons=rules.compare.output,
        ablation=(
            [*rules.ablation_figure.output, *rules.deviation.output]
            if VARIANTS
            else []
        ),
        teachers=(
            [rules.compare_teachers.output.scores, *rules.teachers_figure.output]
            if CFG.other_teachers
            else []
        ),
        benchmark=BENCHMARK,
        excluded=collect(f"{RESULTS}/index/{{source}}.excluded.csv", source=CFG.sources),
        replaced=REPLACED,
        golden=GOLDEN_ALONE,
        manifests=MANIFESTS,
    output:
        report(
            REPORT,
            category="Report",
            labels={"page": "everything on one page"},
            caption="../report/page.rst",
        ),
    log:
        f"{LOGS}/report.log",
    benchmark:
        f"{TIMES}/report.tsv"
    localrule: True
    conda:
        env("report")
    container:
        image("report")
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        config=given(CFG.model_dump_json()),
        results=folder(RESULTS),
        # Not an input: its path would rerun the report after the repository is moved.
        template=[
            sha256_file(PROJECT / "src/styledistill/report/page" / name)
            for name in ("page.html.j2", "page.css", "page.js")
        ],
        code=fingerprint_script("report"),
    message:
        "Write the report"
    shell:
        step(
            "report",
            "--results {params.results} --config {params.config:q} --out {output}",
        )
