"""Training: labelled X-rays in, a Keras network and a report of it out.

It may import the service but for HTTP, process and node, and never export.
"""

import os

# TensorFlow's native messages are nothing a user could act on, such as that there is no GPU;
# errors still arrive as Python exceptions
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
