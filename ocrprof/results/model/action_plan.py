"""What to change, in which order, and what the start would take after each step."""

from pydantic import Field

from ocrprof.results.model.values import Location, Priority, Value


class Action(Value):
    """One change. `seconds` is what it wins by itself after the actions before it: time that they share is theirs."""

    code: str
    priority: Priority
    change: str
    effort: str | None = Field(default=None, description="how much there is to touch; None: not known")
    location: Location | None = None
    seconds: float
    seconds_after: float | None = Field(default=None, description="to the milestone, when this and all before are done")
    shared_seconds: float = Field(default=0.0, description="of its finding, that an action before it has won already")
    shared_with: list[str] = Field(default=[], description="the codes of these actions")


class ActionPlan(Value):
    """The findings as steps. What a finding claims is measured; that all of it can be won is what each one says."""

    milestone: str
    now_seconds: float = Field(description="median time to the milestone")
    then_seconds: float = Field(description="when all of `actions` are done")
    actions: list[Action] = []
    covered: list[Action] = Field(default=[], description="findings whose time `actions` win already")
    moves: list[Action] = Field(
        default=[], description="changes that win nothing before this milestone: errors, or other runs, come sooner"
    )
    configuration_now_seconds: float | None = Field(
        default=None, description="until the configuration is read: how long an error in it takes to be seen"
    )
    configuration_then_seconds: float | None = Field(default=None, description="when the imports among `moves` wait")
