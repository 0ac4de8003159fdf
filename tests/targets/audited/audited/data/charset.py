"""The characters that can be read, in a table that takes long to make."""

from audited.costs import costing

with costing("charset"):
    CHARACTERS = "".join(chr(code) for code in range(32, 127))
