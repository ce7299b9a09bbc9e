"""`pneumonia export` and `calibrate`: arguments in, lines of text out."""
