"""Text to numbers."""

from audited.costs import costing


class Tokenizer:
    """One number a character, and 0 for the blank."""

    def __init__(self, language: str) -> None:
        from audited.data.charset import CHARACTERS

        with costing("tokenizer"):
            self.language = language
            self.index = {character: number for number, character in enumerate(CHARACTERS, start=1)}

    def __len__(self) -> int:
        return len(self.index) + 1
