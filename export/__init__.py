"""Export: a training run in, one ONNX file that carries its whole contract out."""

import training  # noqa: F401  (it quiets TensorFlow, which must happen before its import)
