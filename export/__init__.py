"""Export: a training run in, one ONNX file with its whole contract out.

It may import training and the service; neither imports it.
"""

import training  # noqa: F401  (quiets TensorFlow, before its import)
