"""Other servers with the same model file, decoder and images, each at its best documented setting.

Each file is one server, started as ``python -m benchmarks.peers.NAME PORT WORKERS MODEL`` in an
environment of its own that holds what ``requirements/NAME.txt`` pins.
"""
