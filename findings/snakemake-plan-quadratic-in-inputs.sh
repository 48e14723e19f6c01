#!/usr/bin/env bash
# snakemake 9.27.1 (Python 3.11), seen 2026-11-28.
#
# Subject: the plan (a dry run) of a rule that takes a list of N files and one file more of another rule.
#
# Where the one file is named by the rule (`rules.table.output`), the plan computes about N x N hashes of file names;
# where it is named by its path, 28 N. Files, jobs and the plan itself are the same. So the way that the manual advises
# for naming another rule's file costs 20.6 seconds for 12,000 files and the path 6.0, and at 20,000 files minutes.
#
# Output seen:
#   500 files: by rule 264069 hashes, by path 14067
#   1000 files: by rule 1028069 hashes, by path 28067
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3.11 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check snakemake==9.27.1
export HOME=$place
cd "$place"

hashes() { # files, how the table is named
    cat >Snakefile <<SNAKEFILE
rule all:
    input: "report.txt"
rule table:
    output: "table.csv"
    shell: "touch {output}"
rule image:
    output: "images/{number}.png"
    shell: "touch {output}"
rule report:
    input:
        table=$2,
        images=[f"images/{number}.png" for number in range($1)],
    output: "report.txt"
    shell: "touch {output}"
SNAKEFILE
    venv/bin/python -m cProfile -o profile -m snakemake --dry-run --quiet --cores 1 >said 2>&1 || { cat said; exit 1; }
    venv/bin/python - <<'PY'
import pstats
from pathlib import PurePath

total = 0
for (file, _, name), (calls, *_) in pstats.Stats("profile").stats.items():
    if name == "__hash__" and PurePath(file).parts[-2:] == ("io", "__init__.py"):
        total += calls
print(total)
PY
}

declare -A by_rule by_path
for files in 500 1000; do
    by_rule[$files]=$(hashes $files rules.table.output)
    by_path[$files]=$(hashes $files '"table.csv"')
    echo "$files files: by rule ${by_rule[$files]} hashes, by path ${by_path[$files]}"
done
# Twice the files: by rule about four times the hashes, by path twice.
((by_rule[1000] > 35 * by_rule[500] / 10 && by_path[1000] < 25 * by_path[500] / 10)) || { echo "changed" && exit 1; }
