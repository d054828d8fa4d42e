"""What stands in for the world on a laptop: engines that wear out, the edge runtime, the cloud's end of it."""
