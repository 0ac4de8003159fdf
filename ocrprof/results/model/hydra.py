"""What configuration and instantiation by Hydra cost."""

from pydantic import Field

from ocrprof.results.model.values import Location, Part, Value


class Instantiation(Value):
    """One Hydra target with one set of arguments. `seconds` is inclusive, of all `count` calls together."""

    target: str
    config_path: str
    config_paths: list[str] = []
    count: int
    seconds: float
    each_seconds: list[float] = []
    each_start_seconds: list[float] = []
    duplicate: bool
    location: Location | None = None
    callers: list[Location] = Field(default=[], description="the lines that called `instantiate`")
    overhead_seconds: float | None = Field(
        default=None, description="Hydra's own work on the node before it calls the target, without imports"
    )
    imports_seconds: float | None = Field(
        default=None, description="loading modules: to find the target, and inside its call"
    )


class ConfigFile(Value):
    """One configuration file that Hydra read, `count` times: each composition reads it again."""

    path: str
    own: bool = Field(description="False for the files that come with Hydra and its plugins")
    count: int
    seconds: float


class Composition(Value):
    """One composition of a configuration. The four parts are exclusive; `seconds` holds more than them."""

    config: str | None
    purpose: str = Field(description="`get_mode` or `run` of hydra.main, else the function that asked for it")
    location: Location | None = Field(default=None, description="the line outside Hydra that led to it")
    start_seconds: float
    seconds: float
    num_configs: int | None = Field(default=None, description="entries of the list of defaults")
    depth: int | None = Field(default=None, description="of the program's own tree of defaults")
    num_files: int
    num_overrides: int | None = None
    num_deepcopies: int | None = None
    overrides_seconds: float
    read_seconds: float
    defaults_seconds: float = Field(description="building the tree of defaults, without reading its files")
    merge_seconds: float


class Calls(Value):
    """Calls of one function and their exclusive seconds: what it calls of the same table is not in them."""

    name: str
    count: int
    seconds: float
    location: Location | None = None


class Conversion(Value):
    """A call of `instantiate` for which Hydra turned that many elements of plain containers into its own nodes."""

    num_elements: int
    seconds: float
    location: Location | None = None


class HydraFigures(Value):
    """What configuration by Hydra and OmegaConf cost the main process, up to the milestone."""

    seconds: float = Field(description="in which any part of it ran, once each; not `instantiate`")
    plugins_seconds: float = 0.0
    plugins: list[Part] = Field(default=[], description="modules that the plugin scan loaded, the longest first")
    logging_seconds: float = 0.0
    compositions: list[Composition] = []
    files: list[ConfigFile] = Field(default=[], description="the longest first")
    omegaconf: list[Calls] = Field(default=[], description="conversions, and `parse` of interpolations")
    resolvers: list[Calls] = Field(default=[], description="the longest first")
    instantiate_calls: int = 0
    instantiate_overhead_seconds: float = Field(
        default=0.0, description="in `instantiate`, but in no target and in no import"
    )
    conversions: list[Conversion] = Field(default=[], description="of 10,000 elements and more")
