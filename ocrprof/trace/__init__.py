"""Traces: what the processes of one run did, on one clock, in the formats of other people's viewers."""
