"""What a run looks like: grids of images, contact sheets, films and plots, as PNG or GIF bytes."""
