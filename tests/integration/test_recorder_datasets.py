"""Which data sets a loader draws from, however they are wrapped; and which line calls `torch.compile`."""

import textwrap
from concurrent.futures import ThreadPoolExecutor

import pytest
from recording import PYTHON, plain, record

SCRIPT = textwrap.dedent(
    """
    import copy
    import torch
    from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, random_split

    class Words(Dataset):
        def __init__(self, n):
            self.n = n
        def __len__(self):
            return self.n
        def __getitem__(self, index):
            return index

    class Splits(Dataset):
        def __init__(self):
            self.by_name = {"train": Words(4), "val": Words(2)}
        def __len__(self):
            return 6

    class Proxy:
        def __init__(self, dataset):
            self._dataset = dataset
        def __len__(self):
            return len(self._dataset)
        def __getitem__(self, index):
            return self._dataset[index]

    unused = Words(1)                      # 0
    plain, part = Words(2), Words(3)       # 1, 2
    DataLoader(plain)
    DataLoader(Subset(part, [0, 1]))       # the Subset is 3
    DataLoader(ConcatDataset([plain, part]))   # 4
    splits = Splits()                      # 5, with all that it holds
    DataLoader(splits.by_name["val"])
    DataLoader(Proxy(part))
    DataLoader(copy.deepcopy(plain))
    DataLoader([1, 2, 3])
    for n in range(20):                    # 6 to 25: each likely at the address of the one before
        Words(n)
    DataLoader(Words(9))                   # 26
    compiled = torch.compile(torch.nn.Linear(2, 2), backend="eager")
    @torch.compile(backend="eager")
    def double(x):
        return 2 * x
    print(double(torch.ones(1)).item(), type(compiled).__name__, torch.compile.__name__)
    """
)
LOADERS = [[1], [2, 3], [1, 2, 4], [5], [2], [], [], [26]]


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    file = tmp_path_factory.mktemp("script") / "script.py"
    file.write_text(SCRIPT)
    return file


@pytest.fixture(scope="module")
def both(script, tmp_path_factory):
    """The run with the recorder and the one without, at once: neither is timed."""
    with ThreadPoolExecutor(2) as pool:
        untouched = pool.submit(plain, PYTHON, str(script))
        recorded = pool.submit(record, tmp_path_factory.mktemp("runs") / "run", PYTHON, str(script))
        return recorded.result(), untouched.result()


@pytest.fixture(scope="module")
def recorded(both):
    return both[0]


def test_loaders_name_the_data_sets_they_draw_from_through_wrappers(recorded):
    assert [span["a"]["datasets"] for span in recorded.spans("dataloader.init")] == LOADERS


def test_data_sets_are_numbered_in_the_order_of_their_construction(recorded):
    numbers = [span["a"]["number"] for span in recorded.spans("dataset.init")]
    assert numbers == list(range(27))


def test_torch_compile_is_named_by_the_line_that_calls_it(recorded, script):
    lines = SCRIPT.splitlines()
    outer = [span for span in recorded.spans("compile") if span["a"]["of"].endswith("Linear")]
    assert [(span["loc"][0], lines[span["loc"][1] - 1].strip()[:8]) for span in outer] == [(str(script), "compiled")]


def test_the_target_does_what_it_does_without_the_recorder(both):
    recorded, untouched = both
    assert recorded.stdout == untouched.stdout == "2.0 OptimizedModule compile\n"


UNREADY = """
from torch.utils.data import DataLoader

class Unready(DataLoader):
    @property
    def _index_sampler(self):
        raise RuntimeError("not set up")

waiting = Unready([1, 2])
print(sum(len(batch) for batch in DataLoader([1, 2, 3])))
"""


def test_a_loader_that_is_not_ready_does_not_end_the_batches_of_another(tmp_path):
    recorded = record(tmp_path / "run", PYTHON, "-c", UNREADY)
    assert recorded.stdout == "3\n", recorded.stderr
