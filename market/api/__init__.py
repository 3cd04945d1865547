"""/options/market: what the market looks like, as the running timeline's last frame has it."""
