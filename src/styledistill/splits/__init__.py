"""Which images go into which split and block, and which pairs they make."""
