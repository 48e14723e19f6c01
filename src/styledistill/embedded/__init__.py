"""How the small weights that come with the program were made; no run needs this."""
