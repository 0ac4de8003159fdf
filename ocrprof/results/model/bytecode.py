"""Modules that a start compiled from their source."""

from pydantic import Field

from ocrprof.results.model.values import Part, Value


class Compilation(Value):
    """What a start compiled because no bytecode of it was there, on the main thread of the main process.

    `seconds` is compiling and trying to write the bytecode: with it there, reading it would take a small part of that.
    """

    num_modules: int
    seconds: float
    folders: list[Part] = Field(description="seconds by the folder of the top-level package, the longest first")
    writes: bool = Field(description="False: PYTHONDONTWRITEBYTECODE, or -B")
    prefix: str | None = Field(default=None, description="PYTHONPYCACHEPREFIX: where bytecode is looked for instead")
    num_unwritable: int = Field(
        default=0, description="of the modules, into whose bytecode folder nothing can be written"
    )
