"""Trainer of HYP generators: from pictures to a shipped integer model file."""
