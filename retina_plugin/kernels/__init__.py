"""Fast forms of what the plain PyTorch functions compute; each names the one that it equals."""
