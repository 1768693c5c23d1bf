"""How well the completion-time model predicts, against simpler ones and without each of its parts."""
