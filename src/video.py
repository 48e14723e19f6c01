"""Draw a video in the style of images with a distilled student."""

from styledistill.commands.video import main

if __name__ == "__main__":
    main()
