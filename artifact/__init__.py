"""What a model is, how it lies on disk, and what it can answer with NumPy alone."""
