"""The deprecate codemod: marks the code that is being replaced, and tells who still uses it."""
