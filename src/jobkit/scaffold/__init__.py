"""What `new-app` and `new-controller` make: names and answers, rendered by cookiecutter, put in place whole or not at all."""
