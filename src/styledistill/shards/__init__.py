"""Pairs as WebDataset tar files: written once per block, read by an index over the tars."""
