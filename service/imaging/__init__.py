"""Bytes -> pixels -> model input. Training and export use the same path as the service."""
