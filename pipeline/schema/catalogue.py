"""Every part that is spelled out, by its `_target_`."""

from typing_extensions import is_typeddict

from pipeline.schema import data, detection, training
from pipeline.schema.parts import Foreign, target_of

PARTS = {
    target_of(part): part
    for topic in (detection, data, training)
    for part in vars(topic).values()
    if is_typeddict(part) and part is not Foreign and "_target_" in part.__annotations__
}
