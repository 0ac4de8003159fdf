"""A Lightning training in one file: no data module, a sanity check, loaders from the module itself."""

import sys
import time

import lightning as L
import torch
from torch.utils.data import DataLoader, Dataset


class Points(Dataset):
    """Points of a line; each takes 2 ms to read."""

    def __len__(self):
        return 64

    def __getitem__(self, index):
        time.sleep(0.002)
        return torch.tensor([float(index)])


class Line(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, _):
        return self.layer(batch).square().mean()

    def validation_step(self, batch, _):
        self.log("loss", self.layer(batch).square().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-6)

    def train_dataloader(self):
        return DataLoader(Points(), batch_size=8, shuffle=True, num_workers=1)

    def val_dataloader(self):
        return DataLoader(Points(), batch_size=4)


def main():
    trainer = L.Trainer(
        max_epochs=int(sys.argv[1]), accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Line())


if __name__ == "__main__":
    main()
