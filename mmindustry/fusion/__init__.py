"""Features -> Prediction: one small network, its bundle, and what makes its answers honest.

Only `encoders`, `fusions`, `heads`, `network`, `export` and `torch_runtime` import torch; a worker
on CPU imports none of them.
"""
