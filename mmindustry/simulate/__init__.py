"""A plant that does not exist: seen, heard and read from one latent truth, wire-ready."""
