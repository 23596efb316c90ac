"""Write a recipe as TOML, which Python reads but does not write."""

import json
import re
from collections.abc import Mapping
from typing import Any

from model.recipe import Recipe


def to_toml(recipe: Recipe) -> str:
    """Return TOML that reads as the recipe, with the keys that were set, whether in a file or since."""
    content = recipe.model_dump(mode="json", exclude_unset=True)
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    corpora = content.pop("corpus")
    lines = _entries({key: value for key, value in content.items() if key not in tables})
    for name, table in [*(("[corpus]", corpus) for corpus in corpora), *tables.items()]:
        lines += ["", f"[{name}]", *_entries(table)]
    return "\n".join(lines) + "\n"


def _entries(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in table.items() if value is not None]


def _key(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _value(value: object) -> str:
    """Return a table, or a string, number, boolean or list, whose JSON is TOML; a text of several lines keeps them."""
    if isinstance(value, dict):
        return f"{{{', '.join(_entries(value))}}}"
    if isinstance(value, str) and "\n" in value:
        lines = (json.dumps(line, ensure_ascii=False)[1:-1] for line in value.split("\n"))
        return '"""\n' + "\n".join(lines) + '"""'
    return json.dumps(value, ensure_ascii=False)
