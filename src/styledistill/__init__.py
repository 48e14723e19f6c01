"""StyleDistill's library: a package for each chapter of the workflow."""

from .core.moved import put_up

put_up()
