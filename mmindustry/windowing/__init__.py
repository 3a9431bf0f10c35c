"""Event -> Window: event time, watermarks, and what is held until it is durable."""
