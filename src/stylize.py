"""Draw images in the style of others with a distilled student."""

from styledistill.commands.stylize import main

if __name__ == "__main__":
    main()
