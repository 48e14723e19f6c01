"""All programs for people: `python src NAME ...` is `styledistill NAME ...` where the package is not installed."""

from styledistill.commands import main

if __name__ == "__main__":
    main(prog_name="python src")
