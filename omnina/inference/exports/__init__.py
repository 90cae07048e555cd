"""A checkpoint in the formats of other programs, each read back and compared before it is handed over."""

# Here, so that command lines can name them without importing torch.
FORMATS = ("transformers", "gguf", "onnx")
GGUF_TYPES = ("f32", "f16", "bf16", "q8_0")
REQUIREMENTS = "requirements-export.txt"
