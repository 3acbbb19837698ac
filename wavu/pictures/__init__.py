"""What training and its results look like to a person: tables for the terminal, pictures for TensorBoard and files."""
