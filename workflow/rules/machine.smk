# Resources of jobs: package environments, GPUs, cores.

from snakemake.settings.types import DeploymentMethod

from styledistill.run import containers, preflight


def in_containers():
    return DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method


def image(name):
    """None without containers: what only these cannot do (blanks in a path) is asked of nobody else."""
    return str(containers.image(PROJECT, name)) if in_containers() else None


def env(name):
    """None without conda, which formats the path as a pattern."""
    path = f"{PROJECT}/envs/{name}.yaml".replace("{", "{{").replace("}", "}}")
    methods = workflow.deployment_settings.deployment_method
    return given(path if DeploymentMethod.CONDA in methods else None)


def gpu(wildcards):
    """A GPU for each job that uses one: where this machine has one, or hands its jobs to a cluster; none on a CPU run.

    With --resources gpu=4 four jobs run side by side, on a GPU each.
    """
    return min(all_gpus(wildcards), 1)


def all_gpus(wildcards):
    """Those of this machine, for a job that uses them together; on a cluster one, unless the profile says more."""
    if CFG.device == "cpu":
        return 0
    return 1 if workflow.non_local_exec else preflight.gpus()


def all_cores(wildcards):
    """The cores of this machine; a cluster's jobs are told by their profile."""
    return workflow.resource_settings.cores or 1
