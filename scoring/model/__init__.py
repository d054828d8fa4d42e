"""The ONNX model: its file, what it says of itself, and the calls to it."""
