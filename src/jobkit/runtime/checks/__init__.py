"""What `jobkit doctor` and a Function App that examines itself both check: from facts to findings, each with its fix."""
