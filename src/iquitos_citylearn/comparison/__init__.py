"""All policies in one comparison: figures, statistics over seeds, words."""
