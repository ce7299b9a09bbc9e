"""Training: labelled X-rays in, a Keras network and an honest report out."""

import os

# TensorFlow's native messages say nothing a user could act on, such as that there is no GPU; what
# goes wrong still arrives as a Python exception
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
