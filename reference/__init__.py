"""Pages of docs/reference that are made of code: what our kinds hold, how the command is called, what settings mean."""
