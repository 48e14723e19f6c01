"""Scenes, faces and paintings drawn from a seed. Nothing here imports anything of the project."""
