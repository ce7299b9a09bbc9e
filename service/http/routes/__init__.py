"""Endpoints: each module translates between HTTP and the rooms below for one resource.

They may import what ``service.http`` may.
"""
