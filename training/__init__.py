"""From run-to-failure telemetry to one ONNX file: data sets, features, fitting, evaluation, export."""
