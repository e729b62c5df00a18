"""How good generated images are: features, distances between sets of them, collapse, and which scores compare."""
