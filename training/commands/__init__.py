"""`pneumonia data`, `train` and `evaluate`: arguments in, lines of text out."""
