"""What networks are made of and run on: layers, initialisation, devices, precision, pixels as floats."""
