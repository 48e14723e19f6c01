"""The library, for the scripts beside this: Python looks here first, and this hands on `src/styledistill`.

PYTHONPATH could not name that wherever it lies, for it is cut at colons.
"""

import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
del sys.modules[__name__]
import_module(__name__)
