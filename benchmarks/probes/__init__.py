"""What runs inside the measured processes; nothing here is imported by the commands except ``protocol``."""
