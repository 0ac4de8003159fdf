"""A recommended setting of a loader, and the configuration that it is written to, or why it is not."""

from typing import Literal

from pydantic import Field

from ocrprof.results.model.values import Location, Value

Origin = Literal[
    "file",
    "package",
    "interpolation",
    "environment",
    "resolver",
    "command_line",
    "program",
    "structured",
    "missing",
    "unknown",
]
"""What decides the value of a key. `program`: an override that the program itself composes with. `missing`: nothing
does, the loader has its default. `unknown`: the composed value is not the one of the last file that sets it."""

SettingName = Literal["num_workers", "prefetch_factor", "persistent_workers", "pin_memory"]

WriteBackStatus = Literal["proposed", "written", "already", "refused", "restored"]
"""`proposed`: it could be written, and was not. `already`: the value stands there. `refused`: it cannot be written.
`restored`: it was written, the program then did not come to it, and the files are as before."""


class ConfigKey(Value):
    """A key of the composed configuration under the name of a loader's setting, and what decides its value."""

    key: str
    setting: SettingName
    value: int | float | bool | str | None = Field(default=None, description="as composed, interpolations resolved")
    written: int | float | bool | str | None = Field(default=None, description="as it stands where it is decided")
    origin: Origin
    location: Location | None = Field(default=None, description="of the value, in the file that decides it")
    file_key: str | None = Field(default=None, description="the key inside that file, below the file's package")
    file_sha256: str | None = None
    source_key: str | None = Field(default=None, description="the key that an interpolation leads to")
    source: str | None = Field(default=None, description="the override, the resolver or the environment variable")


class ProvenKey(Value):
    """The key that feeds the measured loader: overridden with `tried`, it gave the loader just that."""

    config_key: ConfigKey
    tried: int | bool
    recommended: int | bool
    adds: bool = Field(default=False, description="the key does not exist yet: it takes a `+`")


class Edit(Value):
    """A file, before and after: only the lines of the diff differ."""

    file: str
    diff: str
    sha256_before: str
    sha256_after: str
    backup: str | None = None
    uncommitted: bool = Field(default=False, description="Git knows of changes in it that are not committed")


class WriteBack(Value):
    """What became of a recommendation in the target's configuration."""

    status: WriteBackStatus
    override: str | None = None
    keys: list[ProvenKey] = []
    others: list[ConfigKey] = Field(default=[], description="of the same name, not of the measured loader; untouched")
    following: list[str] = Field(default=[], description="keys that refer to a written one, and change with it")
    edits: list[Edit] = []
    reason: str | None = Field(default=None, description="why nothing was written")
    advice: str | None = Field(default=None, description="what to do instead")
    notes: list[str] = []
    num_starts: int = Field(default=0, description="of the target, to prove the key and what was written")
