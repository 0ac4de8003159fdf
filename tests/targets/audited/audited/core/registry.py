"""Architectures by name, looked up from a table that is slow to read."""

from functools import lru_cache

from audited.costs import NUM_LOOKUPS, costing_again

_COMPONENTS = ("encoder", "decoder", "head", "loss")


def get_architecture(name: str) -> dict[str, str]:
    """The parts of an architecture by their kind."""
    with costing_again("registry_lookup"):
        return {component: f"{name}_{component}" for component in _COMPONENTS}


_cached = lru_cache(maxsize=None)(get_architecture)


def run_name(architecture: str, *, cached: bool) -> str:
    """A name made of the architecture's parts, each looked up anew unless `cached`."""
    look_up = _cached if cached else get_architecture
    parts = [look_up(architecture)[_COMPONENTS[index % 4]] for index in range(NUM_LOOKUPS)]
    return "-".join(parts[:4])
