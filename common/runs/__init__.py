"""One run on disk: its folder and lock, its record, checkpoints, log, scores and weights, and how runs are found."""
