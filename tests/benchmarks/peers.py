"""Other projects' own code, loaded unmodified from checkouts in one folder; none of it is part of this project.

    DB/        github.com/MhLiao/DB 65ca77a       target maps, box extraction, loss
    CLEval/    github.com/clovaai/CLEval 513623c  the metric
    Polygon3/  pip install --target FOLDER/Polygon3 Polygon3 (free for non-commercial use), which CLEval needs

What their `__init__` files and settings classes pull in beside that (anyconfig, munch, scipy, torchmetrics) is not
needed to run the parts that are compared, and empty modules stand in for it. `np.int`, which MhLiao/DB uses, was
removed from NumPy 1.24 and is put back.
"""

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np


def load_db(peers: Path) -> types.SimpleNamespace:
    """MhLiao/DB's target processes, representer and loss; SystemExit says what is missing."""
    root = _checkout(peers, "DB", "github.com/MhLiao/DB")
    np.int = int
    for name in ("anyconfig", "munch", "scipy"):
        _stand_in(name, munchify=lambda value: value, ndimage=None)
    for name in ("data", "data.processes", "structure", "structure.representers", "decoders", "concern"):
        _stand_in(name, __path__=[str(root / name.replace(".", "/"))])
    process = "data.processes"
    found = types.SimpleNamespace(
        shrink_maps=importlib.import_module(f"{process}.make_seg_detection_data").MakeSegDetectionData,
        border_maps=importlib.import_module(f"{process}.make_border_map").MakeBorderMap,
        representer=importlib.import_module("structure.representers.seg_detector_representer").SegDetectorRepresenter,
        loss=importlib.import_module("decoders.seg_detector_loss").L1BalanceCELoss,
    )
    found.loss()  # it imports the rest of its losses only now
    for name in ("anyconfig", "munch", "scipy"):
        del sys.modules[name]  # numba looks at the real scipy's version
    return found


def load_cleval(peers: Path) -> types.SimpleNamespace:
    """The authors' CLEval: `evaluation` and its box class QUAD; SystemExit says what is missing."""
    root = _checkout(peers, "CLEval", "github.com/clovaai/CLEval")
    sys.path.append(str(_checkout(peers, "Polygon3", "pip install --target")))
    _stand_in("cleval", __path__=[str(root / "cleval")])
    return types.SimpleNamespace(
        evaluation=importlib.import_module("cleval.eval_functions").evaluation,
        quad=importlib.import_module("cleval.box_types").QUAD,
    )


def _checkout(peers: Path, name: str, source: str) -> Path:
    if not (peers / name).is_dir():
        raise SystemExit(f"{peers / name} is missing: {source} goes there")
    return peers / name


def _stand_in(name: str, **attributes: Any) -> None:
    module = types.ModuleType(name)
    for key, value in attributes.items():
        setattr(module, key, value)
    sys.modules[name] = module
