"""What the documents say of the model that ships: measured into models/reports, and told from it.

It stays importable without TensorFlow, since `make check` compares every document with its reports.
"""
