"""Batches from two DataLoader workers: `workers_script.py fork|spawn|forkserver`.

Not all of it stands under the guard: a worker that runs the main module again pays for it.
"""

import functools
import multiprocessing
import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset

SIZE = 64
time.sleep(0.3)


class Slow(Dataset):
    """Points of a parabola; each takes 2 ms to read, and a copy in another process 200 ms to build."""

    def __init__(self):
        self.x = torch.linspace(-1, 1, SIZE).unsqueeze(1)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        time.sleep(0.002)
        return self.x[index], self.x[index] ** 2

    def __setstate__(self, state):
        time.sleep(0.2)
        self.__dict__.update(state)


def wait_a_little(both_started, worker):
    """A `worker_init_fn` of 100 ms; no batch comes before both workers have got here."""
    both_started.wait()
    time.sleep(0.1)


def main():
    method = sys.argv[1]
    init = functools.partial(wait_a_little, multiprocessing.get_context(method).Barrier(2))
    data = DataLoader(Slow(), batch_size=8, num_workers=2, multiprocessing_context=method, worker_init_fn=init)
    print(sum(len(x) for x, _ in data))


if __name__ == "__main__":
    main()
