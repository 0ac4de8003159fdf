"""Draws words into validation pages; slow to load."""

from audited.costs import costing

with costing("text_rendering"):
    GLYPHS = {chr(code): code for code in range(32, 127)}
