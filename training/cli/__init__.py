"""The commands of training, a file each."""
