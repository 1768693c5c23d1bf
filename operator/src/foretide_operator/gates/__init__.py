"""The guardian of the gates: no task waits for ever because its planner is silent or forgot it."""
