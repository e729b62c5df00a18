"""The loop and what it is made of; `Training` puts the parts together, and is what a script's `main` is handed."""

from common.training.launching import launch
from common.training.steps import cosine, descend, scores_and_gradients
from common.training.training import Training

__all__ = ["Training", "cosine", "descend", "launch", "scores_and_gradients"]
