"""Go on with a run whose Snakemake was killed: unlock it and run again, unless somebody (or SLURM) works on it."""

from styledistill.commands.resume import main

if __name__ == "__main__":
    main()
