"""Engines that wear out, and leaf devices that send what they measure."""
