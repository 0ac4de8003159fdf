"""Evaluates three times over data; `--cache` makes reading them fast, `--fast-score` scoring them."""

import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset


class Pages(Dataset):
    """24 numbers; each takes 5 ms to read, or only the first time with a cache."""

    def __init__(self, *, cached):
        self.cached = cached
        self.seen = set()

    def __len__(self):
        return 24

    def __getitem__(self, index):
        if "--unreadable" in sys.argv:
            raise OSError("this page cannot be read")
        if not (self.cached and index in self.seen):
            time.sleep(0.005)
        self.seen.add(index)
        return torch.tensor(float(index) + ("--shifted" in sys.argv))


def main():
    if "--broken" in sys.argv:
        raise RuntimeError("this feature does not work")
    pages = DataLoader(Pages(cached="--cache" in sys.argv), batch_size=8)
    seconds = 0.005 if "--fast-score" in sys.argv else 0.02
    with torch.no_grad():
        for _ in range(3):
            for batch in pages:
                time.sleep(seconds)
                batch.sum().item()


if __name__ == "__main__":
    main()
