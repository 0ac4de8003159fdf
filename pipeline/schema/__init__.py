"""What a configuration may hold: the types that `pipeline.config` checks it against before PyTorch is loaded.

A part is a mapping with a `_target_`. The parts of this project, and those of Lightning and PyTorch that `configs/`
names, are spelled out key by key; a `_target_` from anywhere else is accepted as it is. Imports neither torch nor
lightning.
"""

from pipeline.schema.catalogue import PARTS
from pipeline.schema.data import FILE_READERS
from pipeline.schema.experiment import Evaluate, Experiment, Train
from pipeline.schema.parts import Part
from pipeline.schema.training import Trainer

__all__ = ["FILE_READERS", "PARTS", "Evaluate", "Experiment", "Part", "Train", "Trainer"]
