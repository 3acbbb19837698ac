"""From a waveform to frames, acoustic units and phone-like segments."""
