"""The CTC student: a network that learns from the labels of the HMM and hears what the HMM cannot."""
