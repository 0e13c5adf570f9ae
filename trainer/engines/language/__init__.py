"""Language models on a CPU, fast: the layers of ``trainer.layers`` with the same results, each thread on its own lanes."""
