"""Files, folders, processes and versions: what every room uses and none owns."""
