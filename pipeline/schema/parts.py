"""What a part of a configuration is: a mapping with a `_target_`, spelled out key by key or from elsewhere."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Required, Union, get_args

from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

FOREIGN = "a _target_ of another package"


class Part(TypedDict, total=False):
    """Hydra's own keys, which every part may have."""

    _partial_: bool
    _recursive_: bool
    _convert_: Literal["none", "partial", "object", "all"]


@with_config(ConfigDict(extra="allow", strict=True))
class Foreign(Part, total=False):
    """A part that is not spelled out here."""

    _target_: Required[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")]]


def target_of(part: type) -> str:
    """The `_target_` that a part spelled out here is known by."""
    (literal,) = get_args(part.__annotations__["_target_"])
    (target,) = get_args(literal)
    return str(target)


def parts(*known: type) -> Any:
    """The type of a part that is one of `known`, told apart by `_target_`, or one from elsewhere."""
    by_target = {target_of(part): part for part in known}

    def tag(value: Any) -> str:
        target = value.get("_target_") if isinstance(value, Mapping) else None
        return target if isinstance(target, str) and target in by_target else FOREIGN

    def exists(part: Foreign) -> Foreign:
        if not _defined(part["_target_"]):
            known = ", ".join(f"'{target}'" for target in by_target)
            raise PydanticCustomError("unknown_target", "should be one of {expected}", {"expected": known})
        return part

    options = [Annotated[part, Tag(target)] for target, part in by_target.items()]
    options.append(Annotated[Foreign, AfterValidator(exists), Tag(FOREIGN)])
    return Annotated[Union[tuple(options)], Discriminator(tag)]  # noqa: UP007 - the members are known at run time only


def _defined(target: str) -> bool:
    """False if `target` lies in this package and its source does not define it. Other packages are not looked into."""
    package, *names = target.split(".")
    if package != __name__.partition(".")[0]:
        return True
    folder = Path(__file__).parents[1]
    for depth in range(len(names) - 1, 0, -1):
        source = folder.joinpath(*names[:depth]).with_suffix(".py")
        if source.is_file():
            return (
                re.search(rf"^(class|def) {names[depth]}\b|^{names[depth]}\b.*=", source.read_text(), re.M) is not None
            )
    return False
