"""What every process agrees on: configuration, Redis keys, the shapes of stored records."""
