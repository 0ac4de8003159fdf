"""Modules that warn of their own deprecation and are still imported."""

from pydantic import Field

from ocrprof.results.model.imports import Hop
from ocrprof.results.model.values import Value


class DeprecatedModule(Value):
    """A module that said while it was loaded that it is deprecated, and what a start without it would not load.

    `seconds` is the self time of the `num_modules` modules that only it leads to, itself included; of itself alone
    where the other importers are not known.
    """

    module: str
    text: str = Field(description="of its warning")
    category: str = Field(description="the warning's class")
    seconds: float
    num_modules: int = 1
    phase: str
    importers: list[Hop] = Field(default=[], description="who imports it, with the lines, the first one first")
    by_program: bool = Field(description="whether one of these lines is the program's own")
