"""Publish a student or a run's shards on the Hugging Face hub, with its card."""

from styledistill.commands.publish import main

if __name__ == "__main__":
    main()
