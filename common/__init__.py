"""What every run needs and no paper mentions: settings, data, the run folder, the loop, pictures."""

__version__ = "0.2.0"
