#!/usr/bin/env bash
# Installs SLURM and munge from Debian's packages; nothing is started. Needs root.
set -euo pipefail

if ! (command -v slurmctld && command -v slurmd && command -v munged) >/dev/null; then
    if [ "$(id -u)" != 0 ]; then echo "error: installing needs root" >&2 && exit 1; fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends munge slurm-wlm >/dev/null
fi
slurmctld -V
