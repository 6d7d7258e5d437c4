"""jobkit: staged, parallel jobs on Azure Functions, and on a laptop.

Importing this package loads nothing else: what a controller needs is in `jobkit.runtime`.
"""

__version__ = "0.1.0"
