"""What the monitor knows and how it says it, without a terminal library."""
