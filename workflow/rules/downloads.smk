# Downloads: weight files (into resources/weights, shared by all runs; each run keeps a stamp), the teacher, and all images
# of a run.

from styledistill.downloads.registry import FOLDER, weight_files

BY_HAND = [name for name, wanted in weight_files().items() if wanted.by_hand]
# What can be fetched comes before the word that a file must be put in place by hand.
FETCHED_FIRST = [
    *TEACHER_STAMP,
    *collect(
        STAMP,
        weight=[name for name in requirements.for_run(CFG) if name not in BY_HAND],
    ),
]
FETCHED_TABLES = [*FETCHED, GOLDEN_TABLE, *BLOCK_TABLES]


rule weights_file:
    output:
        STAMP,
    log:
        f"{LOGS}/weights_file/{{weight}}.log",
    benchmark:
        f"{TIMES}/weights_file/{{weight}}.tsv"
    wildcard_constraints:
        weight=one_of(set(weight_files()) - set(BY_HAND)),
    # Compute nodes often have no network; the machine that Snakemake runs on most likely has one.
    localrule: True
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=500,
        runtime=240,
    params:
        # No fingerprint of the code: the sha256 defines the file, and a better downloader must not redo a student.
        sha256=lambda wildcards: weight_files()[wildcards.weight].sha256,
        folder=str(FOLDER),
        stamps=subpath(output[0], parent=True),
    message:
        "Download the weights {wildcards.weight}, unless they are here"
    shell:
        program(
            "weights",
            "{wildcards.weight} --folder {params.folder} --stamps {params.stamps}",
            offline=0,
        )


use rule weights_file as weights_by_hand with:
    input:
        lambda wildcards: (
            []
            if (FOLDER / weight_files()[wildcards.weight].file).exists()
            else [
                *FETCHED_FIRST,
                *(FETCHED_TABLES if "fetch" in workflow.dag_settings.targets else []),
            ]
        ),
    wildcard_constraints:
        weight=one_of(BY_HAND),
    message:
        "Check the weights {wildcards.weight}, which must be put in place by hand"


if TEACHER_STAMP:

    rule teacher_weights:
        output:
            TEACHER_STAMP,
        log:
            f"{LOGS}/teacher_weights.log",
        benchmark:
            f"{TIMES}/teacher_weights.tsv"
        localrule: True
        conda:
            env("data")
        container:
            image("data")
        resources:
            mem_mb=500,
            runtime=240,
        params:
            name=given(CFG.teacher.weights),
        message:
            "Download the teacher {params.name} from the hub, unless it is here"
        shell:
            step(
                "teacher_weights",
                "{params.name:q} --out {output}",
                offline=0,
            )


if LISTED:

    # Fetches all images of the run first and alone, before any block. No block depends on it, because it depends on the
    # number of blocks; a block fetches by itself what is missing.
    rule download:
        input:
            collect(INDEX, source=LISTED),
        output:
            FETCHED,
        log:
            f"{LOGS}/download.log",
        benchmark:
            f"{TIMES}/download.tsv"
        priority: 100
        localrule: True
        conda:
            env("data")
        container:
            image("data")
        threads: 1024
        resources:
            # A row group of a parquet file is held in memory at once: some hundred images.
            mem_mb=3000,
            runtime=600,
        params:
            # No fingerprint of the code: a better downloader must not fetch again what is here.
            sources=images_of(LISTED),
            golden=settings(CFG.golden),
            blocks=settings(CFG.blocks),
            seed=CFG.seed,
        message:
            "Fetch the images of {input}, unless they are here"
        shell:
            program(
                "download",
                "{input} --sources {params.sources:q} --golden {params.golden:q} --blocks {params.blocks:q}"
                " --seed {params.seed} --out {output}",
                offline=0,
            )
