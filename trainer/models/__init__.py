"""Models: layers composed, in plain arrays. They are also the specification that faster engines must match."""
