"""The app's controllers: each module here is imported on its own."""
