"""Training: labelled X-rays in, a Keras network and an honest report out."""
