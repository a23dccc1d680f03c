"""The state of every stage, read from small files while stages run or after they died."""
