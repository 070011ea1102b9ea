"""What the workers of one gateway say to each other: their figures, and the limits they share."""
