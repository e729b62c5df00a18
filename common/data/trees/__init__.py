"""Folders and archives of images: what lies in them, which splits and classes they have, and their decoding."""
