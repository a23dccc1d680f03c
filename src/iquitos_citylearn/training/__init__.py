"""How a seed is trained, resumed and watched."""
