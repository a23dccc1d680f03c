"""All policies side by side: figures, statistics over seeds, words."""
