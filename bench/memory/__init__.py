"""How well memory is predicted for what was not measured, and what a reported peak is worth as a limit."""
