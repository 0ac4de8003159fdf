"""A plain loop with two DataLoader workers: `workers_script.py fork|spawn|forkserver [num_workers]`.

Not all of it stands under the guard: a worker that imports the main module again pays for it.
"""

import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset

TABLE = [value**2 for value in range(100)]
time.sleep(0.3)


class Slow(Dataset):
    """64 points of a parabola; each takes 2 ms to read."""

    def __init__(self):
        self.x = torch.linspace(-1, 1, 64).unsqueeze(1)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        time.sleep(0.002)
        return self.x[index], self.x[index] ** 2

    def __setstate__(self, state):
        time.sleep(0.2)
        self.__dict__.update(state)


def wait_a_little(worker):
    """A `worker_init_fn` of 100 ms."""
    time.sleep(0.1)


def main():
    method, num_workers = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2
    train = DataLoader(
        Slow(),
        batch_size=8,
        num_workers=num_workers,
        multiprocessing_context=method,
        worker_init_fn=wait_a_little,
    )
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in train:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


if __name__ == "__main__":
    main()
