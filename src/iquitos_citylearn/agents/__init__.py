"""Networks, optimizers and algorithms: what a model is, whichever class of Stable-Baselines3 trains it."""
