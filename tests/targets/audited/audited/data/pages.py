"""Pages of synthetic lines: the label files on disk, and the dataset that reads them."""

import json
from pathlib import Path

import torch
from torch.utils.data import Dataset

from audited.costs import costing, paced

NUM_PAGES = 300
WIDTH, LABEL_LENGTH = 64, 16


def ensure_pages(root: Path) -> None:
    """Writes a label file a page, and the index that makes opening them needless."""
    if (root / "index.json").exists():
        return
    root.mkdir(parents=True, exist_ok=True)
    for number in range(NUM_PAGES):
        (root / f"{number:04}.txt").write_text(f"total {number}.00")
    (root / "index.json").write_text(json.dumps([f"{number:04}.txt" for number in range(NUM_PAGES)]))


class PageDataset(Dataset):
    """Images (1, 32, 64) float32 of noise, labels (16,) int64."""

    def __init__(self, root: str, *, split: str, num_samples: int, scan: bool) -> None:
        with costing("dataset"):
            self.pages = json.loads((Path(root) / "index.json").read_text())
        if scan:
            files = sorted(Path(root).glob("*.txt"))
            self.pages = [file.name for file in paced("dataset_scan", files) if file.read_text()]  # plant.dataset_scan
        self.split = split
        self.num_samples = num_samples

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(1, 32, WIDTH, generator=generator)
        return image, torch.randint(1, 90, (LABEL_LENGTH,), generator=generator)
