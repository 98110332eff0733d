"""Properties of the syntax: structures drawn from its tree, and what they cover."""
