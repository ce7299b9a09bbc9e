"""Commands that measure performance and robustness, and the one that publishes all figures.

They may import everything, of the tests only what starts servers and writes files.
"""
