"""The service: a chest X-ray in, a calibrated, explained answer out.

Its packages say what they may import; none imports training, export or TensorFlow.
"""

import os

__version__ = "1.0.0"

# ONNX Runtime's Linux packages keep a device id on disk and send usage reports to their maker. Here
# are patients' images: nothing leaves, nothing stays. It is looked up once, when ONNX Runtime is
# imported, so it must stand in the first module that anybody imports.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
