"""Training: how a seed is trained, resumed and watched."""
