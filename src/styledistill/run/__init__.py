"""A run of the workflow: what it needs, who works on it, whether it is whole. Alone knows Snakemake."""
