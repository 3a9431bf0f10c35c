"""What the line tells about itself: metrics, logs, health."""
