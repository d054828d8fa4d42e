"""The IoT Edge modules: each folder is one module, `edge` is what they share."""
