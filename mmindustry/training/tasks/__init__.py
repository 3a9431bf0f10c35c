"""One modality by itself: text, sound or pictures told apart, defects found on pictures."""
