"""The order in which a loader that was taken over reads its samples: the program's own, and the same in every trial."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any  # indices are whatever a sampler yields

_SEED = 20_250_714
_NUM_TOLD = 256


class Order:
    """Stands before the sampler of a map-style loader, and repeats its epochs without an end until `stop`.

    So a short data set has a steady state too, and what an epoch costs to begin is measured apart. Every random
    generator that a sampler may draw from is set anew before each epoch, the same way in every trial.
    """

    def __init__(self, sampler: "Any", loader: "Any") -> None:
        self.first_indices: list[int] = []
        self.num_epochs = 0
        self.is_stopped = False
        self._sampler = sampler
        self._loader = loader
        self._sizes: list[int] = []

    def __iter__(self) -> "Iterator[Any]":
        is_empty = False
        while not is_empty and not self.is_stopped:
            is_empty = True
            seed_everything(self._loader, self.num_epochs)
            self.num_epochs += 1
            for index in self._sampler:
                if self.is_stopped:
                    return
                is_empty = False
                self._note(index)
                yield index

    def __len__(self) -> int:
        return len(self._sampler)

    def __getattr__(self, name: str) -> "Any":
        # Frameworks ask their loaders' samplers for what they know of them (`set_epoch`, `batch_size`).
        return getattr(self.__dict__["_sampler"], name)

    def next_size(self) -> "int | None":
        """Samples in the batch that is handed out next."""
        return self._sizes.pop(0) if self._sizes else None

    def forget(self) -> None:
        """A new iteration begins: what the last one had asked for and not handed out is gone."""
        self._sizes = []
        self.is_stopped = False

    def _note(self, index: "Any") -> None:
        indices = index if isinstance(index, (list, tuple)) else (index,)
        self._sizes.append(len(indices))
        if len(self.first_indices) < _NUM_TOLD:
            self.first_indices += [int(one) for one in indices if isinstance(one, int)]


def put_before(loader: "Any") -> "Order | None":
    """The order of `loader` from now on; None where its data set is iterated, which then decides the order itself."""
    is_map = loader._dataset_kind == sys.modules["torch.utils.data.dataloader"]._DatasetKind.Map
    if not is_map:
        return None
    name = "batch_sampler" if loader.batch_sampler is not None else "sampler"
    order = Order(getattr(loader, name), loader)
    loader.__dict__[name] = order
    return order


def seed_everything(loader: "Any", epoch: int) -> None:
    """Python's, NumPy's and torch's generators, and those that the loader and its samplers have."""
    seed = _SEED + epoch
    torch = sys.modules["torch"]
    torch.default_generator.manual_seed(seed)
    if "random" in sys.modules:
        sys.modules["random"].seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):
        numpy.random.seed(seed)
    for owner in (loader, loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None)):
        generator = getattr(owner, "generator", None)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(seed)
