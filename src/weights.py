"""Download weight files of other people, or say which there are."""

from styledistill.commands.weights import main

if __name__ == "__main__":
    main()
