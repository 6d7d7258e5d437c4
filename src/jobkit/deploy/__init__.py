"""Puts the shared runtime into a Function App, and checks what is there."""
