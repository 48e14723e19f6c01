# Each student as ONNX: usable without torch, in three precisions.


# Students differ in their weights only, and tracing is what takes long.
rule graphs:
    input:
        made_by("pretrained"),
    output:
        [f"{RESULTS}/graphs/{graph}.onnx" for graph in GRAPHS],
    log:
        f"{LOGS}/graphs.log",
    benchmark:
        f"{TIMES}/graphs.tsv"
    conda:
        env("model")
    container:
        image("model")
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        student=IN_SHELL["pretrained"],
        student_mark=start_mark,
        out=subpath(output[0], parent=True),
        code=fingerprint_script("graphs"),
    message:
        "Trace the student's network as graphs without weights"
    shell:
        'python "$SRC"/graphs.py --student {params.student} --out {params.out} 3>&2 >{log} 2>&1'


rule export:
    input:
        STUDENT,
        f"{RESULTS}/students/{{loss}}/config.json",
        graphs=rules.graphs.output,
    output:
        graphs=[
            f"{RESULTS}/students/{{loss}}/onnx/{graph}{precision}.onnx"
            for graph in GRAPHS
            for precision in ("", ".fp16", ".int8")
        ],
        facts=f"{RESULTS}/students/{{loss}}/onnx/export.json",
    log:
        f"{LOGS}/export/{{loss}}.log",
    benchmark:
        f"{TIMES}/export/{{loss}}.tsv"
    conda:
        env("model")
    container:
        image("model")
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        student=subpath(input[0], parent=True),
        graphs=lambda wildcards, input: folder_of(input.graphs),
        out=subpath(output[0], parent=True),
        code=fingerprint_script("export"),
    message:
        "Export student {wildcards.loss} to ONNX"
    shell:
        'python "$SRC"/export.py --student {params.student} --graphs {params.graphs} --out {params.out} 3>&2 >{log} 2>&1'
