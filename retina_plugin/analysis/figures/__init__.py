"""The paper's figures: losses, and what a trained model spends them on."""
