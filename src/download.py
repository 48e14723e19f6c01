"""Fetch the images that a run takes, or say which data sets and weights there are."""

from styledistill.commands.download import main

if __name__ == "__main__":
    main()
