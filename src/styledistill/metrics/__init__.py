"""How far a stylization is from its content, its style and its teacher, and what a model costs."""
