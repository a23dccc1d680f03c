"""How far the pipeline is, read from small files while its stages run or after they died."""
