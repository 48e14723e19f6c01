# Each student as ONNX: usable without torch, in three precisions.


rule export:
    input:
        STUDENT,
        f"{RESULTS}/students/{{loss}}/config.json",
    output:
        graphs=[
            f"{RESULTS}/students/{{loss}}/onnx/{graph}{precision}.onnx"
            for graph in ("encode_style", "stylize")
            for precision in ("", ".fp16", ".int8")
        ],
        facts=f"{RESULTS}/students/{{loss}}/onnx/export.json",
    log:
        f"{LOGS}/export/{{loss}}.log",
    benchmark:
        f"{TIMES}/export/{{loss}}.tsv"
    conda:
        env("model")
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        student=subpath(input[0], parent=True),
        out=subpath(output[0], parent=True),
        code=fingerprint_script("export"),
    message:
        "Export student {wildcards.loss} to ONNX"
    shell:
        "python $SRC/export.py --student {params.student} --out {params.out} 3>&2 >{log} 2>&1"
