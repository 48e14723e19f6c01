# Students: the start before distillation, and one distillation per loss.


rule pretrain:
    message:
        "Make the student before distillation ({params.start})"
    input:
        MANIFESTS[0],
    output:
        multiext(f"{RESULTS}/students/pretrained/", "student.safetensors", "config.json", "history.csv"),
    log:
        f"{LOGS}/pretrain.log",
    benchmark:
        f"{TIMES}/pretrain.tsv"
    params:
        start=CFG.student.start,
        size=CFG.student.size,
        pretrain=settings(CFG.pretrain),
        networks=settings(CFG.networks),
        seed=CFG.seed,
        device=CFG.device,
        out=f"{RESULTS}/students/pretrained",
        code=fingerprint_script("pretrain"),
    threads: 1
    resources:
        mem_mb=6000,
        runtime=1440,
        gpu=GPU,
    conda:
        env("model")
    shell:
        "STYLEDISTILL_TERMINAL=3 python {SRC}/pretrain.py --manifest {input} --start {params.start}"
        " --size {params.size} --settings {params.pretrain:q} --networks {params.networks:q} --seed {params.seed}"
        " --state {TRAINING} --device {params.device} --out {params.out} 3>&2 >{log} 2>&1"


rule distill:
    message:
        "Distil the teacher into student {wildcards.loss}"
    input:
        train=MANIFESTS[0],
        val=MANIFESTS[1],
        shards=[
            f"{RESULTS}/shards/{split}/{block}.tar" for split, blocks in BLOCKS.items() for block in blocks
        ],
        start=f"{PRETRAINED}/student.safetensors",
    output:
        multiext(
            f"{RESULTS}/students/{{loss}}/", "student.safetensors", "last.safetensors", "config.json", "history.csv"
        ),
    log:
        f"{LOGS}/distill/{{loss}}.log",
    benchmark:
        f"{TIMES}/distill/{{loss}}.tsv"
    params:
        loss=lambda wildcards: settings(CFG.losses[wildcards.loss]),
        distill=settings(CFG.distill),
        networks=settings(CFG.networks),
        seed=CFG.seed,
        device=CFG.device,
        start=PRETRAINED,
        out=f"{RESULTS}/students/{{loss}}",
        code=fingerprint_script("distill"),
    threads: 1
    resources:
        mem_mb=6000,
        runtime=1440,
        gpu=GPU,
    conda:
        env("model")
    shell:
        "STYLEDISTILL_TERMINAL=3 python {SRC}/distill.py --train {input.train} --val {input.val}"
        " --start {params.start} --loss {params.loss:q} --settings {params.distill:q}"
        " --networks {params.networks:q} --seed {params.seed} --device {params.device} --state {TRAINING}"
        " --out {params.out} 3>&2 >{log} 2>&1"
