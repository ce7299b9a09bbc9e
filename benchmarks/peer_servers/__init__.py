"""Other servers with the same model file, decoder and images, each at its best documented setting.

Each is started as ``python -m benchmarks.peer_servers.NAME_server PORT WORKERS MODEL`` in an
environment of its own that holds what ``requirements/NAME.txt`` pins.
"""
