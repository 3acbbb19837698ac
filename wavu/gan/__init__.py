"""The GAN of wav2vec-U: generator, discriminator, their losses, their batches. Every tensor leads with a member axis (M)."""
