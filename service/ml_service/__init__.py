"""The ML service: an HTTP API and a queue worker around one ONNX model (service/README.md)."""
