"""Score stylized images in any folders, without a run."""

from styledistill.commands.score import main

if __name__ == "__main__":
    main()
