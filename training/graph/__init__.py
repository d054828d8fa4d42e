"""What was fitted, written as an ONNX graph."""
