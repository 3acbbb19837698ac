"""What the commands of the path do, each a function of its settings: for the commands, and for one that runs them all."""
