"""Measures where an OCR training pipeline spends its time."""

__version__ = "0.1.0"
