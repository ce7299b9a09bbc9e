"""Export: a training run in, one ONNX file that carries its whole contract out."""
