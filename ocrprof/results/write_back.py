"""Whether a recommendation is one to write down, and what to say where a key's value cannot be written."""

from collections.abc import Iterable

from ocrprof.results.model import ConfigKey, LoaderInfo, LoaderSetting, ProvenKey, Recommendation, SettingName

OTHER_SETTINGS: tuple[SettingName, ...] = ("prefetch_factor", "persistent_workers", "pin_memory")
_ONLY_WITH_WORKERS = ("prefetch_factor", "persistent_workers")


def why_not_carried(recommendation: Recommendation | None, *, current: int) -> str | None:
    """Why the verdict is none to write down; None where it is."""
    if recommendation is None:
        return "the sweep came to no recommendation"
    verdict, recommended = recommendation.verdict, recommendation.num_workers
    if verdict == "inconclusive":
        return "the sweep is inconclusive: no count was shown to be better"
    if verdict == "flat":
        return f"the counts do not differ: {current} stays as it is"
    if verdict == "loader_not_bottleneck":
        return f"the loader is not the bottleneck: {current} stays as it is"
    if verdict == "tie" and current in recommendation.ties:
        return f"{current}, the present value, is among those that tie: it stays as it is"
    if recommended is None:
        return f"the sweep recommends no change: {recommendation.reason}"
    return None


def settings_to_write(setting: LoaderSetting, loader: LoaderInfo) -> dict[SettingName, int | bool]:
    """What a recommended setting changes of the loader; num_workers is always among it."""
    settings: dict[SettingName, int | bool] = {"num_workers": setting.num_workers}
    for name in OTHER_SETTINGS:
        value = getattr(setting, name)
        if value is None or value == getattr(loader, name):
            continue
        # torch takes neither from a loader without workers.
        if setting.num_workers == 0 and name in _ONLY_WITH_WORKERS:
            continue
        settings[name] = value
    return settings


def override_of(keys: Iterable[ProvenKey]) -> str | None:
    """The overrides that set all of them, as arguments of the command; None without a key."""
    arguments = [f"{'+' if one.adds else ''}{one.config_key.key}={written(one.recommended)}" for one in keys]
    return " ".join(arguments) or None


def written(value: int | bool) -> str:
    """As Hydra and YAML write it."""
    return str(value).lower()


def why_not_written(proven: ProvenKey, *, end: ConfigKey) -> tuple[str, str] | None:
    """Why the value of a key is not written, and what to do instead; None where a file of the program's decides it.

    `end`: where its chain of interpolations leads to.
    """
    key = proven.config_key
    argument = override_of([proven])
    file = key.location.file if key.location is not None else "no file"
    match key.origin:
        case "file":
            return None
        case "interpolation":
            return (
                f"{key.key} comes from an interpolation, ${{{key.source_key}}}, in {file}",
                _advice_for_interpolation(key, end, argument),
            )
        case "environment":
            return (
                f"{key.key} comes from the environment variable {key.source}, by an interpolation in {file}",
                f"set {key.source}={written(proven.recommended)} in the environment, or give the override {argument}",
            )
        case "resolver":
            return (
                f"{key.key} comes from an interpolation that computes it ({key.source}), in {file}",
                f"change what it computes, or give the override {argument}",
            )
        case "command_line":
            return f"{key.key} is set on the command line: {key.source}", f"replace it there by {argument}"
        case "program":
            return (
                f"{key.key} is set by an override of the program's own: {key.source}",
                f"change it in the program, or give the override {argument}",
            )
        case "structured":
            return (
                f"{key.key} comes from a structured configuration in Python, not from a file",
                f"change the default there, or give the override {argument}",
            )
        case "package":
            return (
                f"{key.key} is decided by a file of an installed package, {file}",
                f"set {key.key} in a file of your own that is merged after it, or give the override {argument}",
            )
        case "missing":
            return f"no file sets {key.key}: the loader has DataLoader's default", f"give the override {argument}"
    return (
        f"{key.key} is not the value of the last file that sets it, {file}: something else decides it",
        f"give the override {argument}",
    )


def _advice_for_interpolation(key: ConfigKey, end: ConfigKey, argument: str | None) -> str:
    if end.origin == "file" and end.location is not None:
        return (
            f"--key {end.key} writes it there, in {end.location.file}, for all that refer to it; or give the override "
            f"{argument}"
        )
    if end.origin == "environment":
        return f"set {end.source} in the environment, or give the override {argument}"
    return f"change {key.source_key}, or give the override {argument}"
