"""What training looks like to a person: tables for the terminal, pictures for TensorBoard."""
