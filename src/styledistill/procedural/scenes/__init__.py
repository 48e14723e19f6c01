"""Drawn scenes, and what they are made of."""
