"""MQTT 3.1.1 as the edge hub speaks it."""
