"""What leaves the project for others: a repository of the hub, and a page for browsers that sends nothing anywhere."""
