"""Arrays -> one embedding a modality. Each encoder: `forward(arrays) -> (batch, width)`."""
