"""From which file systems the modules of a start came."""

from pydantic import Field

from ocrprof.results.model.values import Value


class LoadedFrom(Value):
    """The modules of one tree (site-packages, the project), and what looking them up and reading them took."""

    folder: str
    file_system: str = Field(description="type of the mount that holds it: ext4, overlay, nfs4, 9p …")
    num_modules: int
    find_seconds: float
    read_seconds: float
