"""Tables of paths (CSV, Parquet) as a source of images."""
