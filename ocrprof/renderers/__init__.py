"""A report as text, for people and for other programs: one file an output. Nothing is measured or judged here."""
