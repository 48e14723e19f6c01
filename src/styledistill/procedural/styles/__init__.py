"""Drawn paintings and patterns, as styles."""
