"""What was measured, as values: the schema, and the arithmetic that makes it from records. Pure, but for `store`."""
