"""Pure decisions: which name means which model on which host, and why."""
