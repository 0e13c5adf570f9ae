"""Rnnlm: words to vectors, through recurrent layers, to the probabilities of the next word."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from trainer.backend import Array, Backend
from trainer.language_recipes import RnnlmSettings
from trainer.layers.dropout import DropConnect, TimeDropout, WordDropout
from trainer.layers.gradients import Gradient
from trainer.layers.gru import TimeGRU
from trainer.layers.lstm import TimeLSTM
from trainer.layers.penalties import Penalties
from trainer.layers.recurrent import TimeRNN
from trainer.layers.softmax import Output, SoftmaxOutput
from trainer.layers.time import TimeEmbedding, TimeRecurrent

State = list[tuple[Array, ...]]
"""For each recurrent layer h, and for an LSTM c, each [B, H]."""

CELLS: dict[str, type[TimeRecurrent]] = {"rnn": TimeRNN, "lstm": TimeLSTM, "gru": TimeGRU}


class Toolbox:
    """Makes the layers of which there is more than one kind; this one makes the plain ones."""

    def embedding(self, W: Array, *, backend: Backend) -> TimeEmbedding:
        """The words' vectors."""
        return TimeEmbedding(W, backend=backend)

    def dropout(self, share: float, *, variational: bool, backend: Backend) -> TimeDropout:
        """Dropout of activations."""
        return TimeDropout(share, backend=backend, variational=variational)

    def word_dropout(self, share: float, *, backend: Backend) -> WordDropout:
        """Dropout of words."""
        return WordDropout(share, backend=backend)

    def drop_connect(self, share: float, *, backend: Backend) -> DropConnect:
        """Dropout of recurrent weights."""
        return DropConnect(share, backend=backend)

    def penalties(self, activation: float, change: float, *, backend: Backend) -> Penalties:
        """What is added to the gradient of the last layer."""
        return Penalties(activation, change, backend=backend)

    def recurrent(
        self, cell: str, number: int, weights: Mapping[str, Array], *, backend: Backend
    ) -> TimeRecurrent:
        """Recurrent layer ``number``, counted from 0."""
        del number
        return CELLS[cell](weights, backend=backend)

    def output(self, W: Array, b: Array, *, backend: Backend) -> Output:
        """The output layer."""
        return SoftmaxOutput(W, b, backend=backend)

    def prepare(self, *, gradients: bool) -> None:
        """Called when weights may have changed, before layers are used; with ``gradients`` if these are wanted."""


def initial_parameters(
    settings: RnnlmSettings, *, size: int, dtype: DTypeLike = np.float32
) -> dict[str, NDArray[Any]]:
    """The weights at the start, named as in an artifact, for a vocabulary of ``size`` words.

    ``embedding`` [V, E], ``layer{i}.w_x`` [I, G * H], ``layer{i}.w_h`` [H, G * H], ``layer{i}.b`` [G * H], for a GRU
    ``layer{i}.b_h``, ``output`` [H, V] unless tied, ``output_bias`` [V].
    """
    generator = np.random.default_rng([settings.seed])
    widths = settings.widths
    gates = CELLS[settings.cell].gates

    def draw(rows: int, columns: int, *, inputs: int, bound: float) -> NDArray[Any]:
        if settings.initial == "book":
            values = generator.standard_normal((rows, columns)) / inputs**0.5
        else:
            values = generator.uniform(-bound, bound, (rows, columns))
        return np.asarray(values, dtype)

    book = settings.initial == "book"
    parameters = {"embedding": draw(size, widths[0], inputs=10_000 if book else 1, bound=0.1)}
    for i, (inputs, hidden) in enumerate(pairwise(widths)):
        bound = hidden**-0.5
        parameters[f"layer{i}.w_x"] = draw(inputs, gates * hidden, inputs=inputs, bound=bound)
        parameters[f"layer{i}.w_h"] = draw(hidden, gates * hidden, inputs=hidden, bound=bound)
        parameters[f"layer{i}.b"] = np.zeros(gates * hidden, dtype)
        if settings.cell == "gru":
            parameters[f"layer{i}.b_h"] = np.zeros(gates * hidden, dtype)
    if not settings.tie_weights:
        parameters["output"] = draw(widths[-1], size, inputs=widths[-1], bound=0.1)
    parameters["output_bias"] = np.zeros(size, dtype)
    return parameters


class Rnnlm:
    """The Rnnlm of the book, 6.4, with what its BetterRnnlm (6.5) and AWD-LSTM (arXiv 1708.02182) add to it.

    Embedding, dropout, recurrent layers with dropout between, dropout, softmax. Weights are kept by reference and
    not changed; the state goes on from block to block.
    """

    def __init__(
        self,
        parameters: Mapping[str, Array],
        settings: RnnlmSettings,
        *,
        backend: Backend,
        toolbox: Toolbox | None = None,
    ) -> None:
        toolbox = toolbox or Toolbox()
        self.parameters = parameters
        self.settings = settings
        self.backend = backend
        self.embedding = toolbox.embedding(parameters["embedding"], backend=backend)
        self.recurrent = [self._make_layer(i, toolbox) for i in range(settings.layers)]
        self.tied = "output" not in parameters
        W = parameters["embedding"].T if self.tied else parameters["output"]
        self.output = toolbox.output(W, parameters["output_bias"], backend=backend)
        share, variational = settings.share, settings.variational
        places = ["input", *["hidden"] * (settings.layers - 1), "output"]
        self._dropouts = [
            toolbox.dropout(share(place), variational=variational, backend=backend) for place in places
        ]
        self._word_dropout = toolbox.word_dropout(settings.embedding_dropout, backend=backend)
        self._drop_connects = [
            toolbox.drop_connect(settings.weight_drop, backend=backend) for _ in range(settings.layers)
        ]
        self._penalties = toolbox.penalties(
            settings.activation_penalty, settings.change_penalty, backend=backend
        )

    @property
    def state(self) -> State:
        """What the model remembers of the words before; the arrays are not changed later."""
        return [layer.state for layer in self.recurrent]

    @state.setter
    def state(self, state: State) -> None:
        for layer, values in zip(self.recurrent, state, strict=True):
            layer.state = values

    def reset(self, batch: int) -> None:
        """Forget all words before, in each of ``batch`` lanes."""
        for layer in self.recurrent:
            layer.reset(batch)

    def loss(self, inputs: Array, targets: Array) -> Any:
        """The summed loss in nats of ``targets`` after ``inputs``, both [T, B], without dropout."""
        return self.output.loss(self._read(inputs, None)[0], targets)

    def loss_and_gradients(
        self, inputs: Array, targets: Array, *, scale: float, generator: Any = None
    ) -> tuple[Any, list[tuple[str, Gradient]]]:
        """The summed loss in nats of a block [T, B], and the gradients of ``scale`` times it.

        Each comes with its parameter's name; tied weights have two, to be added up.
        ``generator`` draws the dropout masks, None drops nothing. The penalties on activations are part of the
        gradients, not of the loss that is returned.
        """
        hs, raw = self._read(inputs, generator)
        loss, d_hs, d_W, d_b = self.output.loss_and_gradients(hs, targets, d_loss=scale)
        name = "embedding" if self.tied else "output"
        gradients: list[tuple[str, Gradient]] = [
            (name, d_W.T if self.tied else d_W),
            ("output_bias", d_b),
        ]
        d_hs = self._penalties.add_activation(d_hs, hs, scale=scale)
        d_xs = self._dropouts[-1].backward(d_hs)
        d_xs = self._penalties.add_change(d_xs, raw, scale=scale)
        for i in reversed(range(len(self.recurrent))):
            d_xs, d_weights = self.recurrent[i].backward(d_xs)
            d_weights["w_h"] = self._drop_connects[i].backward(d_weights["w_h"])
            gradients += [(f"layer{i}.{part}", gradient) for part, gradient in d_weights.items()]
            d_xs = self._dropouts[i].backward(d_xs)
        d_xs = self._word_dropout.backward(d_xs)
        gradients.append(("embedding", self.embedding.backward(d_xs)))
        return loss, gradients

    def _read(self, inputs: Array, generator: Any) -> tuple[Array, Array]:
        """What the output layer sees [T, B, H], and the same before dropout."""
        xs = self.embedding.forward(inputs)
        height = len(self.parameters["embedding"])
        xs = self._word_dropout.forward(xs, token_ids=inputs, height=height, generator=generator)
        raw = xs
        for dropout, layer, connect in zip(
            self._dropouts[:-1], self.recurrent, self._drop_connects, strict=True
        ):
            w_h = connect.forward(layer.weights["w_h"], generator)
            raw = layer.forward(dropout.forward(raw, generator), w_h=w_h)
        return self._dropouts[-1].forward(raw, generator), raw

    def _make_layer(self, i: int, toolbox: Toolbox) -> TimeRecurrent:
        prefix = f"layer{i}."
        weights = {
            name.removeprefix(prefix): array
            for name, array in self.parameters.items()
            if name.startswith(prefix)
        }
        return toolbox.recurrent(self.settings.cell, i, weights, backend=self.backend)
