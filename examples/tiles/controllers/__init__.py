"""This project's controllers."""
