"""Commands that reproduce every performance figure, and the one that publishes them."""
