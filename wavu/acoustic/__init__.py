"""What phones sound like: gaussian mixtures, the transforms they hear through, a small network, all as scores of sub-states."""
