# The students as a page for browsers, a folder for any static host.

from styledistill.share.file_names import all_files
from styledistill.downloads import npm

# No run shall fail for a page: it is made where onnxruntime's WebAssembly has been fetched, or where it is asked for by
# `snakemake demo`, which fetches that.
RUNTIME = npm.FOLDER / npm.ONNXRUNTIME_WEB.file
DEMO = CFG.demo and RUNTIME.is_file()


rule demo:
    input:
        # Graphs of a micro student are made from its weights, others are those that were exported.
        collect(STUDENT, loss=CFG.losses),
        collect(f"{RESULTS}/students/{{loss}}/config.json", loss=CFG.losses),
        (
            []
            if CFG.student.architecture == "micro"
            else collect(rules.export_onnx.output.graphs, loss=CFG.losses)
        ),
        golden=GOLDEN_CROPS,
    output:
        [
            f"{RESULTS}/demo/{name}"
            for name in all_files(
                len(CFG.losses), len(GOLDEN_CONTENTS), len(GOLDEN_STYLES)
            )
        ],
    log:
        f"{LOGS}/demo.log",
    benchmark:
        f"{TIMES}/demo.tsv"
    localrule: True
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        students=" ".join(f"--student {STUDENTS[loss]}" for loss in CFG.losses),
        golden=GOLDEN_COUNTS,
        images=folder(f"{IMAGES}/golden"),
        runtime=str(RUNTIME),
        integrity=npm.ONNXRUNTIME_WEB.integrity,
        # Not inputs: their paths would rerun the job after the repository is moved.
        site=[
            sha256_file(path)
            for path in sorted((PROJECT / "src/styledistill/share/site").iterdir())
        ],
        out=subpath(output[0], parent=True),
        code=fingerprint_script("demo"),
    message:
        "Write the students as a page for browsers"
    shell:
        step(
            "demo",
            "{params.students} --images {params.images} {params.golden} --runtime {params.runtime} --out {params.out}",
            offline=0,
        )
