"""The functions of an app, as Microsoft's worker finds them: from the one object that functions are registered with.

Source: the worker's public code (`azure_functions_runtime/loader.py`). Nothing of jobkit is imported: `jobkit doctor`
also runs this file by its path, beside a jobkit that the app brings.
"""

from __future__ import annotations

import copy
import json
from types import ModuleType
from typing import Any, Final

FUNCTION_APP: Final = "function_app.py"


def find_apps(module: ModuleType) -> dict[str, Any]:
    """Return the objects of a module that functions are registered with; the worker wants one."""
    from azure.functions import FunctionRegister

    return {name: value for name, value in vars(module).items() if isinstance(value, FunctionRegister)}


def describe_functions(app: Any) -> list[dict[str, Any]]:
    """Describe an app's functions by name, bindings and retry policy. Raises ValueError where the worker would."""
    fresh = copy.copy(app)  # the app itself takes a second call for doubled names
    fresh.functions_bindings = None
    return [
        {
            "name": function.get_function_name(),
            "bindings": json.loads(function.get_function_json())["bindings"],
            "retries": function.get_settings_dict("retry_policy") is not None,
        }
        for function in fresh.get_functions()
    ]
