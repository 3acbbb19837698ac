"""Pre-training of encoders, and the codes that it leaves them."""
