"""Fields by their aliases: users may give either, what is stored and hashed has the fields' own names."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo


def aliases_of(field: FieldInfo) -> list[str]:
    """Return the other names by which a field may be given; a path into another value is none."""
    choices = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else [field.alias]
    return [name for name in (*choices, field.validation_alias) if isinstance(name, str)]


def roots_of(field: FieldInfo) -> list[str]:
    """Return the names of values within which a field may be given."""
    choices = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else []
    paths = (choice for choice in (*choices, field.validation_alias) if isinstance(choice, AliasPath))
    return [str(path.path[0]) for path in paths]


def alias_problem(model: Any) -> str:
    """Return which alias of a model is another field's name or alias too; empty when each means one field."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return ""
    known = {name: name for name in model.model_fields}
    for name, field in model.model_fields.items():
        for alias in aliases_of(field):
            if known.setdefault(alias, name) != name:
                return f"its parameter {name!r} has the alias {alias!r}, and so is {known[alias]!r} called"
    return ""


def by_names(model: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """Return values by their fields' names where they were given by an alias."""
    names = {alias: name for name, field in model.model_fields.items() for alias in aliases_of(field)}
    return {names.get(name, name): value for name, value in given.items()}
