#!/usr/bin/env bash
# Installs SLURM and munge from Debian's packages; nothing is started. Needs root.
set -euo pipefail

if ! command -v slurmctld slurmd munged >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends munge slurm-wlm >/dev/null
fi
slurmctld -V
