"""A plain PyTorch loop: no Lightning, no Hydra. Trains, then evaluates without gradients."""

import sys
import time

import torch
from torch.utils.data import DataLoader, Dataset


class Squares(Dataset):
    """64 points of a parabola; each takes 2 ms to read."""

    def __init__(self):
        time.sleep(0.05)
        self.x = torch.linspace(-1, 1, 64).unsqueeze(1)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        time.sleep(0.002)
        return self.x[index], self.x[index] ** 2


def main():
    num_workers = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    torch.manual_seed(0)
    data = Squares()
    train = DataLoader(data, batch_size=8, shuffle=True, num_workers=num_workers)
    held_out = DataLoader(data, batch_size=8)
    model = torch.nn.Sequential(torch.nn.Linear(1, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        for x, y in train:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
    with torch.no_grad():
        loss = sum(torch.nn.functional.mse_loss(model(x), y).item() for x, y in held_out)
    print(f"loss {loss:.4f}")


if __name__ == "__main__":
    main()
