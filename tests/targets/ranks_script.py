"""Two ranks on gloo: `torchrun --nproc-per-node 2 ranks_script.py [slow|die]`, or `ranks_script.py spawn`.

Rank 1 builds its data 1.5 s longer if it is to be slow, and fails there if it is to die.
"""

import os
import socket
import sys
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

DELAY_SECONDS = 1.5


class Points(Dataset):
    """64 points of a parabola."""

    def __init__(self, rank):
        if rank == 1 and "slow" in sys.argv:
            time.sleep(DELAY_SECONDS)
        if rank == 1 and "die" in sys.argv:
            raise RuntimeError("no such folder of images")
        self.x = torch.linspace(-1, 1, 64).unsqueeze(1)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.x[index] ** 2


def train(rank):
    """One epoch."""
    data = DataLoader(Points(rank), batch_size=8)
    model = DistributedDataParallel(torch.nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in data:
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    dist.destroy_process_group()


def spawned(rank, world_size, port):
    """What torch.multiprocessing.spawn calls in each of its processes."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=world_size)
    train(rank)


def free_port():
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    if "spawn" in sys.argv:
        torch.multiprocessing.spawn(spawned, args=(2, free_port()), nprocs=2)
    else:
        dist.init_process_group("gloo")
        train(dist.get_rank())
