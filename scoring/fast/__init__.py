"""The quick way to read what is as it should be; anything else is read again, carefully, to say what is wrong."""
