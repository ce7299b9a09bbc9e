"""What the documents say of the model that ships: measured into models/reports, and told from it.

Only `experiments` and `shipped` need TensorFlow; the rest must stay importable
without it, since `make check` compares every document with its reports.
"""
