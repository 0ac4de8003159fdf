"""The parent's side of a measurement: it spawns, waits and reads. One file a verb, and what verbs share."""
