"""What the files of a run are called."""

LOCK, RECORD, LOG = ".lock", "run.json", "log.csv"
CHECKPOINT, PREVIOUS, GENERATOR = "checkpoint.pt", "checkpoint.prev.pt", "generator.safetensors"
SCORES, NEAREST = "scores.json", "nearest.png"  # evaluate.py's
SAMPLES, FILM, PLOT, BOARD = "samples", "samples.gif", "losses.png", "tensorboard"
LATEST = f"{SAMPLES}/latest.png"  # a copy of the newest grid, for whoever looks on
# run.json last: whatever interrupts a move of them all, what is left can still be told for a run.
OURS = (SAMPLES, FILM, PLOT, BOARD, SCORES, NEAREST, LOG, GENERATOR, PREVIOUS, CHECKPOINT, RECORD)
AXES = ("epoch", "step", "generator_steps", "images", "seconds")  # columns of log.csv that say when
NO_CURVES = ("threads", "collapsed")  # and those that are not drawn
