"""All programs for people: `python -m styledistill NAME ...` is `styledistill NAME ...`."""

from styledistill.commands import main

if __name__ == "__main__":
    main(prog_name="python -m styledistill")
