"""What is spoken, and in which pieces."""
