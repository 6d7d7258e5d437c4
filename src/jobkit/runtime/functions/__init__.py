"""jobkit in a Function App: one Blueprint with all its functions.

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
app.register_functions(blueprint(controllers=["controllers"]))
"""

from .blueprint import JobBlueprint, blueprint

__all__ = ["JobBlueprint", "blueprint"]
