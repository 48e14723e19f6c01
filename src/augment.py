"""Draw every image of a data set in several styles, to train others on."""

from styledistill.commands.augment import main

if __name__ == "__main__":
    main()
