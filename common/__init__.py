"""What every run needs and no paper mentions: settings, data, the run folder, the loop, pictures, scores."""

__version__ = "0.3.0"
