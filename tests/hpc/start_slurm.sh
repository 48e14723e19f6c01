#!/usr/bin/env bash
# start_slurm.sh FOLDER: a SLURM of one node, this machine, with all its files in FOLDER; stop_slurm.sh FOLDER ends it.
# The node's 16 cores, 100 GB and two GPUs exist only in its books. Needs root.
set -euo pipefail

folder=$(realpath "$1")
host=$(hostname -s)
# Where every SLURM program looks; jobs keep no SLURM_CONF in their environment.
default=/etc/slurm/slurm.conf
if [ -e "$default" ] && [ ! -L "$default" ]; then
    echo "error: $default is there: this machine belongs to a cluster, or runs a SLURM of its own" >&2
    exit 1
fi
mkdir -p "$folder/state" "$folder/spool" "$(dirname "$default")"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'; }

# Jobs that ended stay in squeue for an hour, since there is no accounting; one that meets its limit is killed after 5 s.
# A job of the partition urgent pushes out those of main, which are queued again if they were submitted with --requeue.
cat >"$folder/slurm.conf" <<CONF
ClusterName=books
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=5
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=3600
KillWait=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=0
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=16 RealMemory=100000 Gres=gpu:2
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=$host PriorityTier=2 MaxTime=INFINITE State=UP
CONF
# slurmd drops a GPU that no file stands for.
touch "$folder/gpu0" "$folder/gpu1"
echo "Name=gpu File=$folder/gpu[0-1]" >"$folder/gres.conf"
ln -sfn "$folder/slurm.conf" "$default"

(umask 077 && dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none)
munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
slurmctld -f "$folder/slurm.conf"
slurmd -f "$folder/slurm.conf"
for _ in $(seq 60); do
    if sinfo --noheader --format %T 2>/dev/null | grep -q idle; then exit 0; fi
    sleep 0.5
done
echo "error: the node is not idle after 30 s; see $folder/slurmctld.log and slurmd.log" >&2
sinfo -R >&2
exit 1
