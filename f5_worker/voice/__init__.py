"""The reference voice, from wherever it comes to what the model hears."""
