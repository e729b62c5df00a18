"""What the files of a run are called."""

from pathlib import Path

HOME = Path(__file__).resolve().parent.parent.parent  # where the scripts are
LOCK, RECORD, LOG = ".lock", "run.json", "log.csv"
CHECKPOINT, PREVIOUS, GENERATOR = "checkpoint.pt", "checkpoint.prev.pt", "generator.safetensors"
SCORES, NEAREST = "scores.json", "nearest.png"  # evaluate.py's
SAMPLES, FILM, PLOT, BOARD = "samples", "samples.gif", "losses.png", "tensorboard"
# run.json last: whatever interrupts a move of them all, what is left can still be told for a run.
OURS = (SAMPLES, FILM, PLOT, BOARD, SCORES, NEAREST, LOG, GENERATOR, PREVIOUS, CHECKPOINT, RECORD)
AXES = ("epoch", "step", "generator_steps", "images", "seconds")  # columns of log.csv that say when
