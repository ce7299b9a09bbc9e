"""`pneumonia data`, `train`, `evaluate` and `lungs`: arguments in, lines of text out.

Arguments stop here, the rest of ``training`` takes typed values; Keras is imported when a command
runs, so that usage errors and ``--help`` do not wait for it.
"""
