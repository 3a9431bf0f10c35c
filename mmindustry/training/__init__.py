"""Labelled windows -> a better bundle: data sets, the loop, figures, profiles. Needs torch."""
