"""The main job, end to end, on one machine: train, export, deploy, feed, score, and compare with the truth."""
