"""The DICOM node: takes X-rays from a PACS, asks the service about them, files the answers.

A process of its own: of the service it may import errors, settings and log lines alone, and calls
the rest over HTTP.
"""
