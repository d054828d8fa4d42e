"""The module avrowriter: messages in, Avro files out."""
