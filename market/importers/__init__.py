"""Files of the brokers and exchanges as plain rows: bytes in, good rows and bad ones out."""
