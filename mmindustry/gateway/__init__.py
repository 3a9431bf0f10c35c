"""The plant's side of the stream: recorded files by a plan, and events over HTTP."""
