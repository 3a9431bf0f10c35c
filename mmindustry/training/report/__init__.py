"""What a bundle is worth, in one report: figures, intervals, controls, drawings."""
