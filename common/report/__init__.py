"""Runs side by side: what each is, tables of scores and settings, the comparison page."""
