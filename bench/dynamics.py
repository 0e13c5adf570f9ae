"""Does training end where PyTorch's ends? A recipe of the language model, epoch by epoch, beside the same written in PyTorch.

    python -m bench.dynamics --data ptb/ --recipe book-better-rnnlm --hidden 200 --epochs 4
    python -m bench.dynamics --data ptb/ --recipe awd-lstm --hidden 200 --embedding 100 --layers 2 --epochs 4 [--device gpu]

in an environment that has torch==2.13.0 as well as wordkin[train]. --data holds ptb.train.txt and ptb.valid.txt, or others by these
names. Both begin with the same weights, go over the same blocks, and cut gradients and rates alike; what dropout draws differs, so the
perplexities agree as those of two seeds do. PyTorch's side is written after the papers' own code: nn.LSTM, cross_entropy, masks that
are drawn and multiplied. It does not average weights: asgd is compared for as long as it is plain SGD. One JSON object a line.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.language import open_engine
from trainer.language_batches import cut_blocks, cut_lanes
from trainer.language_recipes import RECIPES
from trainer.models.rnnlm import initial_parameters
from trainer.models.rnnlm_learner import RnnlmLearner

GATES = (2, 0, 1, 3)  # PyTorch's input, forget, cell and output gate among ours: forget, cell, input, output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", choices=RECIPES, default="book-better-rnnlm")
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--embedding", type=int)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--systems", nargs="+", choices=("ours", "PyTorch"), default=["ours", "PyTorch"])
    arguments = parser.parse_args()
    size, end_of_line, train, valid = read_texts(arguments.data)
    changes = {
        name: getattr(arguments, name) for name in ("hidden", "embedding", "layers", "epochs", "threads")
    }
    for seed in arguments.seeds:
        chosen = {name: value for name, value in changes.items() if value is not None}
        settings = dataclasses.replace(RECIPES[arguments.recipe](), seed=seed, **chosen)
        if (
            settings.cell != "lstm"
            or settings.optimizer not in {"sgd", "asgd"}
            or settings.schedule != "plateau"
        ):
            parser.error(f"{arguments.recipe}: PyTorch's side knows LSTMs trained by SGD alone")
        for system in arguments.systems:
            run = run_ours if system == "ours" else run_torch
            found = {"system": system, "recipe": arguments.recipe, "hidden": settings.hidden, "seed": seed}
            best = math.inf
            for epoch in run(settings, size, end_of_line, train, valid, arguments.device):
                print(json.dumps(found | epoch), flush=True)
                if settings.optimizer == "asgd" and epoch["valid"] > best:
                    break  # averaging may begin
                best = min(best, epoch["valid"])


def read_texts(folder):
    """The number of words, the id of <eos>, and both texts as ids; words are what stands between white space."""
    texts = []
    for name in ("ptb.train.txt", "ptb.valid.txt"):
        lines = (folder / name).read_text(encoding="utf-8").splitlines()
        texts.append([word for line in lines for word in (*line.split(), "<eos>")])
    index = {word: i for i, word in enumerate(dict.fromkeys(texts[0] + texts[1]))}
    return len(index), index["<eos>"], *(np.array([index[word] for word in text], np.int32) for text in texts)


def run_ours(settings, size, end_of_line, train, valid, device):
    """The learner that the command line trains with."""
    backend, engine = open_engine(settings.threads, "float32" if device == "gpu" else None)
    learner = RnnlmLearner(
        train, settings, size=size, end_of_line=end_of_line, valid_ids=valid, backend=backend, engine=engine
    )
    learner.warm_up()
    while not learner.finished():
        number, started = len(learner.epochs), time.perf_counter()
        while len(learner.epochs) == number:
            learner.advance()
        epoch = learner.epochs[-1]
        perplexities = epoch.train_perplexity, epoch.valid_perplexity
        yield describe(epoch.number, perplexities, rate=epoch.learning_rate, started=started)


def describe(number, perplexities, *, rate, started):
    """What is printed of an epoch that has just ended."""
    train, valid = (round(value, 2) for value in perplexities)
    seconds = round(time.perf_counter() - started, 1)
    return {"epoch": number, "train": train, "valid": valid, "rate": rate, "seconds": seconds}


def run_torch(settings, size, end_of_line, train, valid, device):
    """The same in PyTorch."""
    import torch

    torch.manual_seed(settings.seed)
    torch.set_num_threads(settings.threads)
    place = "cuda" if device == "gpu" else "cpu"
    model = make_torch(torch, settings, size).to(place)
    weights = [each for each in model.parameters() if each.requires_grad]

    def put(array):
        return torch.from_numpy(array.astype(np.int64)).to(place)

    inputs, targets = map(put, cut_lanes(train, batch_size=settings.batch_size, first_input=end_of_line))
    rate, best = settings.first_learning_rate, math.inf
    for number in range(1, settings.epochs + 1):
        started, states, loss_sum, words = time.perf_counter(), None, 0.0, 0
        drawn = np.random.default_rng([settings.seed, number - 1]) if settings.vary_steps else None
        for start, stop in cut_blocks(len(inputs), time_steps=settings.time_steps, generator=drawn):
            steps = stop - start
            here = rate * steps / settings.time_steps if settings.vary_steps else rate
            scores, states, dropped, raw = model(inputs[start:stop], states)
            loss = torch.nn.functional.cross_entropy(scores.view(-1, size), targets[start:stop].reshape(-1))
            loss_sum, words = loss_sum + loss.item() * steps, words + steps
            loss = loss + settings.activation_penalty * dropped.pow(2).mean()
            if steps > 1:
                loss = loss + settings.change_penalty * (raw[1:] - raw[:-1]).pow(2).mean()
            model.zero_grad()
            loss.backward()
            if settings.clip:
                torch.nn.utils.clip_grad_norm_(weights, settings.clip)
            with torch.no_grad():
                for weight in weights:
                    weight.sub_(here * (weight.grad + settings.weight_decay * weight))
        perplexity = read_torch(torch, model, valid, end_of_line, put)
        yield describe(number, (math.exp(loss_sum / words), perplexity), rate=rate, started=started)
        if perplexity < best:
            best = perplexity
        else:
            rate /= settings.decay


def read_torch(torch, model, ids, end_of_line, put, *, lanes=20, steps=100):
    """The perplexity of a text, all but the words that fill no lane."""
    inputs, targets = map(put, cut_lanes(ids, batch_size=lanes, first_input=end_of_line))
    model.eval()
    states, loss_sum = None, 0.0
    with torch.no_grad():
        for start in range(0, len(inputs), steps):
            scores, states, *_ = model(inputs[start : start + steps], states)
            wanted = targets[start : start + steps].reshape(-1)
            loss_sum += torch.nn.functional.cross_entropy(
                scores.view(len(wanted), -1), wanted, reduction="sum"
            ).item()
    model.train()
    return math.exp(loss_sum / inputs.numel())


def make_torch(torch, settings, size):
    """Embedding, LSTMs and softmax with the dropouts of AWD-LSTM (arXiv 1708.02182), from our own first weights."""
    nn = torch.nn
    first = initial_parameters(settings, size=size)

    def parameter(name):
        return nn.Parameter(torch.from_numpy(first[name].copy()))

    def turned(array, hidden):
        blocks = array.reshape(-1, 4, hidden)[:, GATES].reshape(-1, 4 * hidden)
        return torch.from_numpy(np.ascontiguousarray(blocks.T))

    def drop(x, share, *, training):
        if not settings.variational or not training or not share:
            return nn.functional.dropout(x, share, training)
        return x * x.new_empty(1, *x.shape[1:]).bernoulli_(1 - share) / (1 - share)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.bias = parameter("embedding"), parameter("output_bias")
            self.output = None if settings.tie_weights else parameter("output")
            self.layers = nn.ModuleList([nn.LSTM(*pair) for pair in pairwise(settings.widths)])
            with torch.no_grad():
                for i, layer in enumerate(self.layers):
                    hidden = layer.hidden_size
                    layer.weight_ih_l0.copy_(turned(first[f"layer{i}.w_x"], hidden))
                    layer.weight_hh_l0.copy_(turned(first[f"layer{i}.w_h"], hidden))
                    layer.bias_ih_l0.copy_(turned(first[f"layer{i}.b"], hidden)[:, 0])
                    layer.bias_hh_l0.zero_().requires_grad_(False)  # ours has one bias

        def forward(self, ids, states):
            table = self.embedding
            if self.training and settings.embedding_dropout:
                kept = 1 - settings.embedding_dropout
                table = table * table.new_empty(size, 1).bernoulli_(kept) / kept
            raw = nn.functional.embedding(ids, table)
            places = ["input", *["hidden"] * (settings.layers - 1)]
            after = []
            for i, (layer, place) in enumerate(zip(self.layers, places, strict=True)):
                state = states[i] if states else [raw.new_zeros(1, ids.shape[1], layer.hidden_size)] * 2
                recurrent = nn.functional.dropout(layer.weight_hh_l0, settings.weight_drop, self.training)
                given = (drop(raw, settings.share(place), training=self.training), tuple(state))
                raw, state = torch.func.functional_call(layer, {"weight_hh_l0": recurrent}, given)
                after.append([part.detach() for part in state])
            dropped = drop(raw, settings.share("output"), training=self.training)
            output = self.embedding.T if self.output is None else self.output
            return dropped @ output + self.bias, after, dropped, raw

    return Model()


if __name__ == "__main__":
    main()
