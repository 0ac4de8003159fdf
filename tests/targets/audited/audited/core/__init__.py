"""What the domains share: the Lightning module, registry, evaluation, loggers."""
