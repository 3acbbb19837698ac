"""What commands do, each a function of its settings, in parts that fit a screen or two: for the commands, and for one that runs them all."""
