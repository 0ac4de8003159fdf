"""A Hydra + Lightning program of another layout than the bundled one."""
