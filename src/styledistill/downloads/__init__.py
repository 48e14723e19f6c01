"""Weight files of other people: what there is, what a run needs of it, and how it gets here."""
