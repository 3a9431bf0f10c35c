"""Arrays -> one embedding a modality. Each encoder: `forward(arrays) -> Encoded`."""
