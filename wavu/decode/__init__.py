"""From labels to phones."""
