"""The service: a chest X-ray in, a calibrated, explained answer out."""

__version__ = "0.1.0"
