"""`pneumonia export` and `calibrate`: arguments in, lines of text out.

Arguments stop here, the rest of ``export`` takes typed values; Keras and ONNX are imported when a
command runs.
"""
