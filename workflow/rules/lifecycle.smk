# The start and the end of a run: what its jobs are told and given, what is missing, who else works here.

import os

from snakemake.logging import logger

from styledistill.core.errors import UserError
from styledistill.run import lock, notes, watchdog
from styledistill.run.configuration import or_exit
from styledistill.run.summary import summarize, word_of_kills

# Jobs find the scripts (and conda the locks) by these variables, not by text in a shell line: any path works, and moving
# the project reruns nothing.
os.environ.update(
    STYLEDISTILL_SRC=str(PROJECT / "src"),
    STYLEDISTILL_ENVS=str(PROJECT / "envs"),
    STYLEDISTILL_START=str(START),
    STYLEDISTILL_PRETRAINED=str(PRETRAINED),
)
# glibc gives back memory that a step of a network has freed, and the next step takes it again, zeroed page by page. Jobs
# that keep it save up to a tenth of their processor time (docs/benchmarks.md).
os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**30))
os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**32))
watchdog.bind_jobs(Path(RESULTS))
# Paths that jobs in containers must see, asked on each machine: a cluster's nodes parse this file too.
if in_containers():
    os.environ.update(or_exit(containers.environment, CFG, PROJECT))


def missing_parts():
    """Folders and weights that are not here yet; a dry run may go on without them, a run stops before its first job."""
    missing = or_exit(preflight.check, CFG)
    return missing + (containers.missing_images(PROJECT) if in_containers() else [])


def computes_on_cpu():
    return CFG.device == "cpu" or (
        CFG.device == "auto" and not workflow.non_local_exec and not preflight.gpus()
    )


MISSING = missing_parts() if workflow.is_main_process else []
if workflow.is_main_process:
    for line in MISSING:
        logger.warning(f"not here yet: {line}")
    for line in [
        *notes.notes(CFG, computes_on_cpu()),
        *notes.without_demo(CFG),
        *notes.of_former_layout(Path(RESULTS)),
    ]:
        logger.warning(f"note: {line}")
    if lock.resuming():
        or_exit(lock.await_others, Path(RESULTS))
    elif words := lock.word_of_others(Path(RESULTS)):
        logger.warning(words)


onstart:
    jobs = [
        (job.rule.name, job.wildcards.get("source"))
        for job in workflow.dag.needrun_jobs()
    ]
    if needed := preflight.needed_now(MISSING, jobs):
        sys.exit("\n".join(f"error: {line}" for line in needed))
    or_exit(lock.occupy, Path(RESULTS))


onsuccess:
    # A damaged older file must not turn a finished run into a failed one.
    try:
        logger.info(summarize(Path(RESULTS)))
    except (UserError, ValueError) as error:
        logger.warning(f"{RESULTS}: no summary: {error}")


onerror:
    if words := word_of_kills(log):
        logger.error(words)
