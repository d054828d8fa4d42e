"""The command `turbofan`: all commands of all packages under one name, by who needs them."""
