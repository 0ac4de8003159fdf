"""Features of a program, switched on and off by overrides: what each is worth."""

from typing import Literal

from pydantic import ConfigDict, Field

from ocrprof.results.model.context import Environment, TargetInfo, Tool
from ocrprof.results.model.runs import RunStatus
from ocrprof.results.model.values import Statistic, Value

Design = Literal["off", "alone", "left-out", "cumulative", "on", "pair"]


class Feature(Value):
    """A switch: the arguments that turn it on, and those that turn it off. `exact`: it must not change a metric."""

    name: str
    on: list[str]
    off: list[str]
    exact: bool = True


class Epoch(Value):
    """One pass over the data of a loop. The parts are exclusive and add up to `seconds`."""

    loop: Literal["train", "validation"]
    seconds: float
    num_batches: int
    num_samples: int | None = None
    parts: dict[str, float] = {}


class Trial(Value):
    """One fresh process of an arm, in one round; `position` is its place in the random order of the round."""

    round: int
    position: int
    status: RunStatus
    wall_seconds: float
    start_seconds: float | None = Field(default=None, description="from the spawn to the first training step's end")
    epochs: list[Epoch] = []
    metrics: dict[str, float] = Field(default={}, description="what the program logged, last values")
    peak_pss_bytes: int | None = None
    cpu_seconds: float | None = None
    stderr_tail: list[str] = []


class Arm(Value):
    """One setting of all features, with its trials. `on` names those that are on."""

    on: list[str]
    arguments: list[str]
    trials: list[Trial] = []


class Effect(Value):
    """What one arm is worth against another, by ratios within the rounds: `without` its seconds over `with_` its.

    `first_epoch` and `later_epochs` are of whole epochs; `later_parts` of the same epochs without the network's own
    work (forward, backward, optimizer): loading and evaluation, which most features are about.
    """

    design: Design
    feature: str
    without: list[str] = Field(description="the features that are on in the arm compared with")
    with_: list[str] = Field(description="and in the arm itself")
    first_epoch: Statistic | None = None
    later_epochs: Statistic | None = None
    later_parts: Statistic | None = None
    cumulative: Statistic | None = Field(default=None, description="of later epochs, against the arm with none on")
    seconds: Statistic | None = Field(default=None, description="of a later epoch of the arm itself")
    start_saved_seconds: Statistic | None = Field(
        default=None, description="until the first training step: of the other arm less that of the arm itself"
    )
    memory_bytes: Statistic | None = Field(default=None, description="peak of the arm less that of the other")
    does_nothing: bool = Field(
        default=False, description="in three rounds or more nothing that they agree on and that is worth a feature"
    )
    same_metrics: bool | None = Field(default=None, description="whether all logged metrics are equal to the bit")
    different_metrics: list[str] = []


class Interaction(Value):
    """Two features together against the product of each alone: above 1 they help each other, below they overlap."""

    features: tuple[str, str]
    ratio: Statistic


class AblationReport(Value):
    """`kind: ablate`: a program run with its features on and off, in rounds, each round in a random order."""

    schema_: Literal["ocrprof/1"] = Field(default="ocrprof/1", alias="schema")
    kind: Literal["ablate"] = "ablate"
    created: str
    tool: Tool
    target: TargetInfo
    environment: Environment
    features: list[Feature]
    arguments: list[str] = Field(default=[], description="given to every run, before those of the features")
    designs: list[Design]
    pairs: list[tuple[str, str]] = []
    num_rounds: int = Field(description="that were asked for")
    seed: int = Field(description="of the random order within the rounds")
    level: Literal["program", "loader"] = Field(
        default="program", description="what the epochs are of: the whole program, or one of its loaders alone"
    )
    loop: Literal["train", "validation"] = "validation"
    arms: list[Arm] = []
    warmup: list[Trial] = Field(default=[], description="runs before the first round, with all features on; uncounted")
    stopped: str | None = Field(default=None, description="why there are fewer rounds than were asked for")
    effects: list[Effect] = []
    interactions: list[Interaction] = []

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
