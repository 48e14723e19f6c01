"""`python -m styledistill.config`: the schema of the configuration, as YAML."""

import yaml

from .reading import json_schema

print(yaml.safe_dump(json_schema(), sort_keys=True, allow_unicode=True, width=120), end="")
