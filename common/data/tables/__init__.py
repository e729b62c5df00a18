"""Tables: rows of pixels in .csv, encoded images in parquet and Arrow files."""
