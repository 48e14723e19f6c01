"""Write a page on which anybody stylizes own photographs in the browser: a folder for any static host."""

from styledistill.commands.page import main

if __name__ == "__main__":
    main()
