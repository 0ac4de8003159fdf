"""A plain PyTorch loop whose samples take 2 ms each to load; with `--fail-at N` they cannot be loaded by N workers."""

import argparse
import time

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Pages(Dataset):
    def __init__(self, fail_at: int | None) -> None:
        self.fail_at = fail_at

    def __len__(self) -> int:
        return 4000

    def __getitem__(self, index: int) -> torch.Tensor:
        worker = get_worker_info()
        if worker is not None and worker.num_workers == self.fail_at:
            raise ValueError(f"page {index} is torn")
        time.sleep(0.002)
        return torch.full((4,), float(index))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fail-at", type=int)
    pages = Pages(parser.parse_args().fail_at)
    model = torch.nn.Linear(4, 1)
    # Descends by hand: an optimizer of torch would load its compiler, half of each start's time.
    for batch in DataLoader(pages, batch_size=4, shuffle=True):
        model(batch).mean().backward()
        with torch.no_grad():
            for weight in model.parameters():
                weight -= 1e-3 * weight.grad
                weight.grad = None


if __name__ == "__main__":
    main()
