"""What was asked: a raw job, checked and typed."""
