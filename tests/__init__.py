"""The tests; their folders mirror the packages."""

import service as service  # before ONNX Runtime: it turns that library's usage reports off
