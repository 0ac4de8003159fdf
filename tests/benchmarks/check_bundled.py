"""Whether `ocrprof check` catches, and names, two losses that nobody sees in a review: in a clone of this repository.

    python tests/benchmarks/check_bundled.py [--exact] [--only pandas-eager|cache-unwired] [--keep DIR]

One branch of the bundled pipeline imports pandas where no data frame is made; in another the cache of samples is built
and passed on as before, and never asked. Each is checked against main, with pairs of launches (about 5 minutes on
two quiet cores for both) or, with --exact, by what needs no statistics (about 3). It needs pandas,
which nothing else here does. Ends with 1 if one was not caught.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "model=dbnet_tiny",
    "trainer=smoke",
    "trainer.max_epochs=2",
    "trainer.limit_val_batches=null",
    "trainer.enable_progress_bar=false",
    "data.size=160",
    "data.batch_size=4",
    "data.num_workers=0",
    "data.train.records.num_images={train:8,val:16}",
    "data.train.records.progress=false",
)


@dataclass(frozen=True)
class Loss:
    """A change that loses something: the lines of `before` in `file` become those of `after`."""

    branch: str
    subject: str
    file: str
    before: str
    after: str
    options: tuple[str, ...]
    named: str
    metric: str


LOSSES = (
    Loss(
        branch="pandas-eager",
        subject="Read annotations with pandas",
        file="pipeline/data/readers.py",
        before="import numpy as np\n",
        after="import numpy as np\nimport pandas as pd  # noqa: F401\n",
        options=(),
        named="pandas",
        metric="eager_packages",
    ),
    Loss(
        branch="cache-unwired",
        subject="Load samples more directly",
        file="pipeline/data/dataset.py",
        before="        record = self.records[index]\n",
        after="        record = self.records[index]\n        return self._make(record)\n",
        options=("--loop", "--train-batches", "2"),
        named="samples",
        metric="cache_hits",
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--only", choices=[loss.branch for loss in LOSSES])
    parser.add_argument("--pairs", default="10:10")
    parser.add_argument("--keep", type=Path, help="folder for the reports (default: thrown away)")
    given = parser.parse_args()
    if importlib.util.find_spec("pandas") is None and given.only != "cache-unwired":
        parser.error("pandas is not installed: `pip install pandas`, or --only cache-unwired")
    with tempfile.TemporaryDirectory() as folder:
        clone = make_clone(Path(folder, "clone"))
        reports = given.keep or Path(folder, "reports")
        results = [
            check(loss, clone, reports=reports, options=("--exact",) if given.exact else ("--pairs", given.pairs))
            for loss in LOSSES
            if given.only in (None, loss.branch)
        ]
    print(json.dumps(results, indent=1))
    return 0 if all(result["caught"] and result["named"] for result in results) else 1


def make_clone(clone: Path) -> Path:
    """A clone of the commit that is checked out, called main, with a branch for each loss."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    git(clone, "switch", "--quiet", "--force-create", "main")
    for loss in LOSSES:
        git(clone, "switch", "--quiet", "--create", loss.branch, "main")
        path = clone / loss.file
        text = path.read_text()
        if text.count(loss.before) != 1:
            raise SystemExit(f"{loss.file} no longer holds, once: {loss.before!r}")
        path.write_text(text.replace(loss.before, loss.after))
        git(clone, "commit", "--quiet", "--all", "--message", loss.subject)
    return clone


def git(clone: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=clone, check=True)


def check(loss: Loss, clone: Path, *, reports: Path, options: tuple[str, ...]) -> dict[str, object]:
    """What a check of one branch against main says."""
    git(clone, "switch", "--quiet", loss.branch)
    output = reports / loss.branch
    command = [sys.executable, "-m", "ocrprof", "check", "--against", "main", "-o", str(output), "--seed", "1"]
    overrides = [*SMALL, f"data.root={reports / 'receipts'}"]
    environment = {**os.environ, "OCRPROF_CACHE": str(reports / "cache")}
    done = subprocess.run(
        [*command, *options, *loss.options, *overrides], cwd=clone, env=environment, check=False, stdout=sys.stderr
    )
    report = json.loads((output / "report.json").read_text())
    regressed = [one["name"] for one in (*report["exact"], *report["metrics"]) if one["verdict"] == "regressed"]
    change = next((one for one in report["exact"] if one["name"] == loss.metric), {"added": [], "removed": []})
    items = [*change["added"], *change["removed"]]
    return {
        "branch": loss.branch,
        "exit_code": done.returncode,
        "caught": done.returncode == 1,
        "named": loss.metric in regressed and any(loss.named in one["name"] for one in items),
        "regressed": regressed,
        "items": [{name: one.get(name) for name in ("name", "location", "detail")} for one in items[:5]],
        "headline": report["headline"],
        "seconds": round(report["seconds"], 1),
        "design": report["design"]["stopped_because"],
    }


if __name__ == "__main__":
    sys.exit(main())
