"""Reports, missing modalities."""
