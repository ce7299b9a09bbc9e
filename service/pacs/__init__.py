"""The DICOM node: takes X-rays from a PACS, asks the service about them, files the answers."""
