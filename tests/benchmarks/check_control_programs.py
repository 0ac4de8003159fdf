"""The changes that `check_controls.py` checks: those that are none, and one for every exact metric."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from check_target import commit, git, launch


@dataclass(frozen=True, kw_only=True)
class Negative:
    """A difference that is none: `make` puts it into a repository of one commit. `ref` is compared with."""

    name: str
    says: str
    make: Callable[[Path], None]
    ref: str = "HEAD~1"
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "repository"


@dataclass(frozen=True, kw_only=True)
class Positive:
    """A change that must end the check with `exit_code`, and whose report must say `named` of `metric`."""

    metric: str
    says: str
    named: str
    before: dict[str, str]
    after: dict[str, str]
    options: tuple[str, ...] = ()
    exit_code: int = 1


def edit(folder: Path, file: str, before: str, after: str) -> None:
    """Replaces one text in a file; raises where it is not there once."""
    text = (folder / file).read_text()
    if text.count(before) != 1:
        raise ValueError(f"{before!r} is {text.count(before)} times in {file}")
    (folder / file).write_text(text.replace(before, after))


def add_commit(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    commit(folder, message)


def comment(folder: Path) -> None:
    edit(folder, "stages/data.py", "class Dataset:\n", "# Samples are numbers.\nclass Dataset:\n")
    add_commit(folder, "Comment on the data set")


def renamed(folder: Path) -> None:
    text = (folder / "train.py").read_text()
    (folder / "train.py").write_text(
        text.replace("samples = [", "items = [").replace("collate, samples)", "collate, items)")
    )
    add_commit(folder, "Rename a local variable")


def documented(folder: Path) -> None:
    (folder / "docs").mkdir()
    (folder / "docs" / "training.md").write_text("# Training\n\n" + "It trains.\n" * 200)
    add_commit(folder, "Describe the training")


def swapped(folder: Path) -> None:
    """The newer commit is the base: the work tree is at the older one."""
    comment(folder)
    git(folder, "branch", "newer")
    git(folder, "checkout", "-q", "--detach", "HEAD~1")


def warm(folder: Path) -> None:
    """Bytecode beside the sources of the checkout, as after any run; the base has none anywhere."""
    comment(folder)
    for _ in range(2):
        launch(folder)


def fresh(folder: Path) -> None:
    """A checkout that nothing was ever run in."""
    comment(folder)
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)


def dependency(folder: Path) -> None:
    """A package beside the program whose version alone changes."""
    vendor = folder / "vendor"
    (vendor / "tiny").mkdir(parents=True)
    (vendor / "tiny" / "__init__.py").write_text("VALUE = 1\n")
    (vendor / "tiny-1.0.0.dist-info").mkdir()
    (vendor / "tiny-1.0.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.0.0\n")
    lines = 'import sys\nsys.path.insert(0, __file__.rpartition("/")[0] + "/vendor")\nimport tiny\n'
    edit(folder, "train.py", "import atexit\n", f"{lines}import atexit\n")
    add_commit(folder, "Use tiny")
    (vendor / "tiny-1.0.0.dist-info").rename(vendor / "tiny-1.1.0.dist-info")
    (vendor / "tiny-1.1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1.1.0\n")
    add_commit(folder, "Take tiny 1.1")


NEGATIVES = (
    Negative(name="comment", says="a comment is added", make=comment),
    Negative(name="renamed", says="a local variable is renamed", make=renamed),
    Negative(name="docs", says="a page of documentation is added", make=documented),
    Negative(name="long-path", says="a comment; the repository's path is 180 characters long", make=comment,
             folder="/".join(["a-long-name-of-a-folder"] * 7)),
    Negative(name="environment", says="a comment; 4 KiB more in the environment", make=comment,
             environment={"UNRELATED": "x" * 4096}),
    Negative(name="swapped", says="the newer commit is the base", make=swapped, ref="newer"),
    Negative(name="warm", says="a comment; the checkout has bytecode", make=warm),
    Negative(name="fresh", says="a comment; nothing was run in the checkout", make=fresh),
    Negative(name="dependency", says="a package of another version, and the same code", make=dependency),
)  # fmt: skip


PAGES = {f"pages/{number}.png": "." for number in range(12)}
TEXTS = {f"texts/{number}.txt": "a" for number in range(60)}
READS = (
    "from pathlib import Path\n\nfor number in range({num}):\n    Path(f'{folder}/{{number}}.{ending}').read_bytes()\n"
)
CACHE = "import sys\nprint('train data: sample cache: {hits} hits of 80', file=sys.stderr)\n"
HYDRA = """
import hydra
from hydra.utils import instantiate


@hydra.main(version_base=None, config_path="conf", config_name="train")
def main(cfg):
    for one in cfg.parts.values():
        instantiate(one)


main()
"""
ONE_PART = (
    "size: 3\nparts:\n  a: {_target_: collections.Counter, x: 1}\n  b: {_target_: fractions.Fraction, numerator: 3}\n"
)
TRAINING = """
import torch
from torch.utils.data import DataLoader


class Descent(torch.optim.Optimizer):
    def add_param_group(self, group):
        self.param_groups.append({"params": list(group["params"])})

    @torch.no_grad()
    def step(self):
        for weight in self.param_groups[0]["params"]:
            weight -= 0.1 * weight.grad
            weight.grad = None


if __name__ == "__main__":
    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(SIZE), torch.nn.Flatten(), torch.nn.Linear(WIDTH, 1))
    optimizer = Descent(model.parameters(), {})
    for _ in range(EPOCHS):
        for pages in DataLoader(torch.ones(SAMPLES, 3, PAGE, PAGE), batch_size=BATCH, num_workers=WORKERS):
            model(pages).mean().backward()
            optimizer.step()
"""
LOGGING = """
import lightning
import torch
from torch.utils.data import DataLoader


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch):
        self.log("score", SCORE)
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


trainer = lightning.Trainer(
    max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(Model(), DataLoader(torch.ones(8, 4), batch_size=4))
"""
USUAL = {"SIZE": 2, "WIDTH": 12, "EPOCHS": 1, "SAMPLES": 16, "PAGE": 8, "BATCH": 4, "WORKERS": 0}
LOOP = ("--loop", "--train-batches", "8", "--epochs", "1")
EXIT = ("--until", "exit")


def training(**changed: int) -> dict[str, str]:
    """The program that trains, with some of its sizes changed."""
    text = TRAINING
    for name, value in {**USUAL, **changed}.items():
        text = text.replace(name, str(value))
    return {"train.py": text}


def program(text: str, **files: str) -> dict[str, str]:
    """A program that imports a module with this text."""
    return {"train.py": "import part\n", "part.py": text, **files}


def script(text: str, **files: str) -> dict[str, str]:
    """The program itself: what a module does while it is imported counts as the import's."""
    return {"train.py": text, **files}


def hydra_program(config: str) -> dict[str, str]:
    return {"train.py": HYDRA, "conf/train.yaml": config}


POSITIVES = (
    Positive(metric="modules", says="twenty modules of the standard library more", named="asyncio",
             before=program("VALUE = 1\n"), after=program("import asyncio\n")),
    Positive(metric="own_modules", says="a module of the program's own, forbidden", named="no extra before",
             options=("--forbid-import", "extra"),
             before=program("VALUE = 1\n"), after=program("import extra\n", **{"extra.py": ""})),
    Positive(metric="eager_packages", says="a third-party package at the top of a module", named="packaging",
             before=program("VALUE = 1\n"), after=program("import packaging\n")),
    Positive(metric="files_opened", says="fifty files more are read", named="files opened", options=EXIT,
             before=script(READS.format(num=10, folder="texts", ending="txt"), **TEXTS),
             after=script(READS.format(num=60, folder="texts", ending="txt"), **TEXTS)),
    Positive(metric="images_opened", says="eight images more are read", named="images opened 4 → 12", options=EXIT,
             before=script(READS.format(num=4, folder="pages", ending="png"), **PAGES),
             after=script(READS.format(num=12, folder="pages", ending="png"), **PAGES)),
    Positive(metric="images_opened_again", says="images are read twice", named="pages", options=EXIT,
             before=script(READS.format(num=4, folder="pages", ending="png"), **PAGES),
             after=script(READS.format(num=4, folder="pages", ending="png") * 2, **PAGES)),
    Positive(metric="calls", says="a function is called twice as often", named="train.py:read",
             options=(*EXIT, "--min-effect", "calls=0%"),
             before=script("def read():\n    return 1\n\n\nread()\n"),
             after=script("def read():\n    return 1\n\n\nread()\nread()\n")),
    Positive(metric="cache_hits", says="a cache is hit less", named="cache hits", options=EXIT,
             before=program(CACHE.format(hits=80)), after=program(CACHE.format(hits=0))),
    Positive(metric="declared.samples", says="fewer samples", named="samples, as the program declares: 2",
             options=EXIT, exit_code=5,
             before=program("print('ocrprof: samples=3')\n"), after=program("print('ocrprof: samples=2')\n")),
    Positive(metric="declared.pages", says="a declared figure that may not grow", named="declared.pages 3 → 4",
             options=(*EXIT, "--min-effect", "declared.pages=0%"),
             before=program("print('ocrprof: pages=3')\n"), after=program("print('ocrprof: pages=4')\n")),
    Positive(metric="declared.loss", says="a loss that is no number any more", named="declared.loss is nan",
             options=EXIT, exit_code=5,
             before=program("print('ocrprof: loss=0.5')\n"), after=program("print('ocrprof: loss=nan')\n")),
    Positive(metric="budget", says="more modules than a limit allows", named="modules<=5",
             options=("--budget", "modules<=5"), before=program("VALUE = 1\n"), after=program("import json\n")),
    Positive(metric="instantiations", says="an object is built twice by one entry", named="collections.Counter",
             before=hydra_program(ONE_PART), options=EXIT,
             after=hydra_program(ONE_PART) | {"train.py": HYDRA.replace("        instantiate(one)\n",
                                                                        "        instantiate(one)\n" * 2)}),
    Positive(metric="duplicates", says="the same object is built by two entries", named="collections.Counter",
             before=hydra_program(ONE_PART), options=EXIT,
             after=hydra_program(ONE_PART + "  c: {_target_: collections.Counter, x: 1}\n")),
    Positive(metric="config", says="another configuration, forbidden", named="config",
             options=(*EXIT, "--min-effect", "config=0%"),
             before=hydra_program(ONE_PART), after=hydra_program(ONE_PART.replace("size: 3", "size: 4"))),
    Positive(metric="parameters", says="a larger model, forbidden", named="parameters 13 → 28",
             options=(*LOOP, "--min-effect", "parameters=0%"),
             before=training(), after=training(SIZE=3, WIDTH=27)),
    Positive(metric="logged.score", says="a logged figure that may not grow", named="logged.score 1 → 2",
             options=(*EXIT, "--min-effect", "logged.score=0%"),
             before=script(LOGGING.replace("SCORE", "1.0")), after=script(LOGGING.replace("SCORE", "2.0"))),
    Positive(metric="num_workers", says="another number of workers, forbidden", named="num workers 0 → 1",
             options=(*LOOP, "--min-effect", "num_workers=0%"), before=training(), after=training(WORKERS=1)),
    Positive(metric="train_samples", says="fewer samples", named="samples trained on: 12 in the candidate",
             options=LOOP, exit_code=5, before=training(), after=training(SAMPLES=12)),
    Positive(metric="batch_size", says="smaller batches", named="samples in a batch: 2 in the candidate",
             options=LOOP, exit_code=5, before=training(), after=training(BATCH=2)),
    Positive(metric="batch_shapes", says="smaller images", named="3×8×8 in the base, 3×4×4 in the candidate",
             options=LOOP, exit_code=5, before=training(), after=training(PAGE=4)),
)  # fmt: skip
