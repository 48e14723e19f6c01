# PROJECT, the folder of this workflow. Where Snakemake reads the workflow out of a git repository, as a module that
# snakedeploy declares, this is a copy of that commit, because scripts and library must be files.

import os
import subprocess
import tempfile
from pathlib import Path

from snakemake.sourcecache import HostingProviderFile, LocalSourceFile


def copied(place):
    """The folder with the files of the commit that `place`, a folder of a repository, is of; copied once."""
    hosted = isinstance(place, HostingProviderFile)
    repository = place.hosted_repo.repo_clone if hosted else place.repo_path
    git = ["git", "-C", str(repository)]
    commit = subprocess.check_output([*git, "rev-parse", f"{place.ref}^{{commit}}"])
    copies = Path(".snakemake", "styledistill").absolute()
    copies.mkdir(parents=True, exist_ok=True)
    folder = copies / commit.decode().strip()
    if not folder.is_dir():
        with tempfile.TemporaryDirectory(dir=copies) as temporary:
            with subprocess.Popen(
                [*git, "archive", folder.name], stdout=subprocess.PIPE
            ) as archive:
                subprocess.run(
                    ["tar", "-x", "-C", temporary], stdin=archive.stdout, check=True
                )
            whole = Path(temporary).rename(f"{temporary}.whole")
        try:
            whole.rename(folder)
        except OSError:  # another Snakemake was first
            pass
    return folder


HERE = workflow.current_basedir.join("../..")
PROJECT = (
    Path(os.path.normpath(HERE)) if isinstance(HERE, LocalSourceFile) else copied(HERE)
)
