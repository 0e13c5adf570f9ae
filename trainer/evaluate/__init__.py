"""How good word vectors are: analogies, word similarity, and the book's own questions."""
