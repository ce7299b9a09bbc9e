"""Commands that need no web framework beside serving: comparing models, freezing a baseline."""
