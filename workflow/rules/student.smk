# Students: the start before distillation, one distillation per loss, and ONNX graphs in three precisions.

TRAINING = "resources/training"
STUDENT = f"{RESULTS}/students/{{loss}}/student.safetensors"
GRAPHS = ("encode_style", "stylize")


if CFG.student.start == "pretrain":

    rule pretrain:
        input:
            [
                f"{IMAGES}/train/{block}/{name}.png"
                for block in BLOCKS["train"]
                for name in CONTENTS + STYLES
            ],
            weights=collect(STAMP, weight=requirements.for_start(CFG)),
        output:
            multiext(
                f"{RESULTS}/students/pretrained/",
                "student.safetensors",
                "config.json",
                "history.csv",
            ),
        log:
            f"{LOGS}/pretrain.log",
        benchmark:
            f"{TIMES}/pretrain.tsv"
        conda:
            env("model")
        container:
            image("model")
        resources:
            mem_mb=6000,
            runtime=1440,
            gpu=gpu,
        params:
            architecture=CFG.student.architecture,
            size=CFG.student.size,
            side=CFG.image_size,
            pretrain=settings(CFG.pretrain),
            networks=settings(CFG.networks),
            seed=CFG.seed,
            device=CFG.device,
            state=TRAINING,
            images=folder(f"{IMAGES}/train"),
            out=subpath(output[0], parent=True),
            code=fingerprint_script("pretrain"),
        message:
            "Train the student before distillation"
        shell:
            step(
                "pretrain",
                "--architecture {params.architecture} --size {params.size} --image-size {params.side}"
                " --contents '{params.images}/*/c*.png' --styles '{params.images}/*/s*.png'"
                " --settings {params.pretrain:q} --networks {params.networks:q} --seed {params.seed}"
                " --device {params.device} --state {params.state} --out {params.out}",
            )

elif not READY:

    rule convert:
        input:
            weights=collect(STAMP, weight=requirements.for_start(CFG)),
        output:
            multiext(
                f"{RESULTS}/students/pretrained/", "student.safetensors", "config.json"
            ),
        log:
            f"{LOGS}/convert.log",
        benchmark:
            f"{TIMES}/convert.tsv"
        localrule: True
        conda:
            env("model")
        container:
            image("model")
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            start=given(CFG.student.start),
            size=CFG.student.size,
            seed=CFG.seed,
            out=subpath(output[0], parent=True),
            code=fingerprint_script("convert"),
        message:
            "Make the student before distillation from {params.start}"
        shell:
            step(
                "convert",
                "--start {params.start:q} --size {params.size} --seed {params.seed} --out {params.out}",
            )


rule distill:
    input:
        train=MANIFESTS[0],
        val=MANIFESTS[1],
        shards=in_blocks(SHARD),
        start=MADE_BY[CFG.begins_with],
        weights=lambda wildcards: collect(
            STAMP, weight=requirements.for_loss(CFG, CFG.losses[wildcards.loss])
        ),
    output:
        multiext(
            f"{RESULTS}/students/{{loss}}/",
            "student.safetensors",
            "last.safetensors",
            "config.json",
            "history.csv",
        ),
    log:
        f"{LOGS}/distill/{{loss}}.log",
    benchmark:
        f"{TIMES}/distill/{{loss}}.tsv"
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=6000,
        runtime=1440,
        gpu=all_gpus,
    params:
        loss=lambda wildcards: as_json(CFG.losses[wildcards.loss]),
        distill=settings(CFG.distill),
        networks=settings(CFG.networks),
        seed=CFG.seed,
        device=CFG.device,
        state=TRAINING,
        start=IN_SHELL[CFG.begins_with],
        start_mark=MARKS[CFG.begins_with],
        out=subpath(output[0], parent=True),
        code=fingerprint_script("distill"),
    message:
        "Distill the teacher into student {wildcards.loss}"
    shell:
        step(
            "distill",
            "--train {input.train} --val {input.val} --start {params.start} --loss {params.loss:q}"
            " --settings {params.distill:q} --networks {params.networks:q} --seed {params.seed}"
            " --device {params.device} --state {params.state} --out {params.out}",
        )


# Students differ only in their weights, and tracing takes long: one job traces for all.
rule trace_onnx:
    input:
        MADE_BY[CFG.begins_with],
    output:
        [f"{RESULTS}/graphs/{graph}.onnx" for graph in GRAPHS],
    log:
        f"{LOGS}/trace_onnx.log",
    benchmark:
        f"{TIMES}/trace_onnx.tsv"
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        student=IN_SHELL[CFG.begins_with],
        student_mark=MARKS[CFG.begins_with],
        out=subpath(output[0], parent=True),
        code=fingerprint_script("trace_onnx"),
    message:
        "Trace the student's network as graphs without weights"
    shell:
        step(
            "trace_onnx",
            "--student {params.student} --out {params.out}",
        )


rule export_onnx:
    input:
        STUDENT,
        f"{RESULTS}/students/{{loss}}/config.json",
        graphs=rules.trace_onnx.output,
    output:
        graphs=[
            f"{RESULTS}/students/{{loss}}/onnx/{graph}{precision}.onnx"
            for graph in GRAPHS
            for precision in ("", ".fp16", ".int8")
        ],
        facts=f"{RESULTS}/students/{{loss}}/onnx/export.json",
    log:
        f"{LOGS}/export_onnx/{{loss}}.log",
    benchmark:
        f"{TIMES}/export_onnx/{{loss}}.tsv"
    conda:
        env("model")
    container:
        image("model")
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        student=subpath(input[0], parent=True),
        graphs=folder(f"{RESULTS}/graphs"),
        out=subpath(output[0], parent=True),
        code=fingerprint_script("export_onnx"),
    message:
        "Export student {wildcards.loss} to ONNX"
    shell:
        step(
            "export_onnx",
            "--student {params.student} --graphs {params.graphs} --out {params.out}",
        )
