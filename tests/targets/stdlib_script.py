"""Standard library only: loads by statement, by `import_module`, by a loader's own `exec_module`, and one failing."""

import importlib
import importlib.util
import json
import sys
import sysconfig
from pathlib import Path

importlib.import_module("wave")
try:
    import no_such_module_anywhere  # noqa: F401
except ImportError:
    pass

path = Path(sysconfig.get_path("stdlib")) / "colorsys.py"
spec = importlib.util.spec_from_file_location("colorsys_by_path", path)
module = importlib.util.module_from_spec(spec)
sys.modules["colorsys_by_path"] = module
spec.loader.exec_module(module)

print(json.dumps(sorted(sys.modules)))
print("to stderr", file=sys.stderr)
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
