"""The service: a chest X-ray in, a calibrated, explained answer out."""
