#!/usr/bin/env bash
# stop_slurm.sh FOLDER: ends what start_slurm.sh FOLDER started, and its jobs.
set -uo pipefail

folder=$(realpath "$1")
scancel --user="$(id -un)"
for program in slurmd slurmctld munged; do
    if [ -f "$folder/$program.pid" ]; then
        process=$(cat "$folder/$program.pid")
        kill "$process"
        for _ in $(seq 50); do kill -0 "$process" 2>/dev/null && sleep 0.2 || break; done
    fi
done
if [ "$(readlink /etc/slurm/slurm.conf)" = "$folder/slurm.conf" ]; then rm /etc/slurm/slurm.conf; fi
