"""A text recogniser with the bottlenecks that audits of such projects found, each behind a switch."""
