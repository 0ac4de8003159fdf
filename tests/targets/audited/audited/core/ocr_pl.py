"""The Lightning module of before; everything in it has moved to `audited.core.module`."""

import warnings

from audited.costs import costing

warnings.warn("audited.core.ocr_pl has moved to audited.core.module", DeprecationWarning, stacklevel=2)

with costing("deprecated_module"):
    LEGACY_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz")
