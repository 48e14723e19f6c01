# What comes from elsewhere: weight files, into resources/weights, which all runs share, each with a stamp that the run owns;
# the teacher; and all pictures that a run takes.

BY_HAND = [name for name, wanted in weight_files().items() if wanted.by_hand]


rule weights_file:
    output:
        STAMP,
    log:
        f"{LOGS}/weights/{{weight}}.log",
    benchmark:
        f"{TIMES}/weights/{{weight}}.tsv"
    wildcard_constraints:
        weight=one_of(set(weight_files()) - set(BY_HAND)),
    # A cluster's nodes often see no network; the machine that Snakemake runs on is the likeliest to see one.
    localrule: True
    conda:
        env("data")
    container:
        image("data")
    resources:
        mem_mb=500,
        runtime=240,
    params:
        # No fingerprint of the code: a file is what its sha256 says, and a better downloader must not redo a student.
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
        fetched_first,
    wildcard_constraints:
        weight=one_of(BY_HAND),
    message:
        "Look for the weights {wildcards.weight}, which come by hand"


if TEACHER_STAMP:

    rule teacher_weights:
        output:
            TEACHER_STAMP,
        log:
            f"{LOGS}/weights/teacher.log",
        benchmark:
            f"{TIMES}/weights/teacher.tsv"
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

    # All that the run takes at once, before the blocks take their part of it: first in line, and alone. No block depends on
    # it, because it knows how many blocks there are; what it lacks, a block fetches itself.
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
            # A row group of a parquet file is held at once: some hundred pictures.
            mem_mb=3000,
            runtime=600,
        params:
            # No fingerprint of the code: a better downloader must not redo what is here.
            sources=images_of(LISTED),
            golden=settings(CFG.golden),
            blocks=settings(CFG.blocks),
            seed=CFG.seed,
        message:
            "Fetch the pictures of {input}, unless they are here"
        shell:
            program(
                "download",
                "{input} --sources {params.sources:q} --golden {params.golden:q} --blocks {params.blocks:q}"
                " --seed {params.seed} --out {output}",
                offline=0,
            )
