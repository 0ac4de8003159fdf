"""Pages, tokenizer, collate, and the data module."""
