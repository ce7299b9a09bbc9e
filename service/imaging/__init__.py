"""Bytes -> pixels -> model input, by the same path for training, export and service.

It knows files and arrays alone: no model, no HTTP, and no other package of the service.
"""
