"""Check a finished run against the hashes that were kept of it, and repair what is damaged."""

from styledistill.commands.verify import main

if __name__ == "__main__":
    main()
