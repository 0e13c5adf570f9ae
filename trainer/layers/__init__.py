"""Layers: the forward and the backward pass of one idea in one file, over NumPy or CuPy arrays.

A layer holds its table by reference and, between ``forward`` and ``backward``, what the gradient needs.
``backward`` returns gradients and stores none, so a table that two layers share gets both by
:func:`trainer.layers.gradients.merge_gradients`.
"""
