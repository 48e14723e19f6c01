#!/usr/bin/env bash
# stop_slurm.sh FOLDER: ends what start_slurm.sh FOLDER started, and its jobs.
set -uo pipefail

folder=$(realpath "$1")
scancel --user="$(id -un)"
for program in slurmd slurmctld munged; do
    if [ -f "$folder/$program.pid" ]; then kill "$(cat "$folder/$program.pid")"; fi
done
if [ "$(readlink /etc/slurm/slurm.conf)" = "$folder/slurm.conf" ]; then rm /etc/slurm/slurm.conf; fi
