"""Sets that have a name: where they are looked for, their own formats, and their downloads."""
