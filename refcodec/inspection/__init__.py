"""Looking into HYP files: what they hold, every element of them, and the rules behind the elements."""
