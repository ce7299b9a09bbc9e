"""Training: labelled X-rays in, a Keras network and an honest report out."""

import os

# TensorFlow's start-up messages say nothing a user could act on; its errors still show
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
