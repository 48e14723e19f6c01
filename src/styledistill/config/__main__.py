"""`python -m styledistill.config`: the schema of the configuration as YAML; with `reference`, its page of the docs."""

import sys

import yaml

from .reading import json_schema
from .reference import reference

if sys.argv[1:] == ["reference"]:
    print(reference(), end="")
else:
    print(yaml.safe_dump(json_schema(), sort_keys=True, allow_unicode=True, width=120), end="")
