"""Modified Kneser-Ney smoothing word for word from the paper, with dictionaries: slow, and what the arrays must equal.

Chen and Goodman 1998, section 4.1.6.
"""

from collections import Counter, defaultdict


class LiteralKneserNey:
    def __init__(self, lines, *, vocab_size, eos_id, order):
        """``lines``: lists of ids without <eos>; the last may be unfinished where its last id is None."""
        self.vocab_size, self.order = vocab_size, order
        raw = [Counter() for _ in range(order + 1)]
        for line in lines:
            ended = [*line[:-1]] if line and line[-1] is None else [*line, eos_id]
            padded = ["<s>", *ended]
            for n in range(1, order + 1):
                for start in range(len(padded) - n + 1):
                    gram = tuple(padded[start : start + n])
                    if gram != ("<s>",):
                        raw[n][gram] += 1
        self.counts = [Counter() for _ in range(order + 1)]
        self.counts[order] = raw[order]
        for n in range(1, order):
            for gram in raw[n + 1]:
                self.counts[n][gram[1:]] += 1
            for gram, count in raw[n].items():
                if gram[0] == "<s>":
                    self.counts[n][gram] = count
        self.discounts = [None] + [self._discounts(self.counts[n]) for n in range(1, order + 1)]
        self.followers = defaultdict(dict)
        for n in range(1, order + 1):
            for gram, count in self.counts[n].items():
                self.followers[gram[:-1]][gram[-1]] = count

    @staticmethod
    def _discounts(counts):
        n = Counter(counts.values())
        if not (n[1] and n[2] and n[3]):
            return (0.0, 0.5, 1.0, 1.5)
        y = n[1] / (n[1] + 2 * n[2])
        found = (0.0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)))
        return found if all(0 <= d <= k for k, d in enumerate(found)) else (0.0, 0.5, 1.0, 1.5)

    def probability(self, word, context):
        """``context``: the words of the line so far, beginning with "<s>"."""
        context = tuple(context[-(self.order - 1) :]) if self.order > 1 else ()
        return self._probability(word, context)

    def _probability(self, word, context):
        lower = 1 / self.vocab_size if not context else self._probability(word, context[1:])
        followers = self.followers.get(context)
        if not followers:
            return lower
        discounts = self.discounts[len(context) + 1]
        total = sum(followers.values())
        gamma = sum(discounts[min(count, 3)] for count in followers.values()) / total
        count = followers.get(word, 0)
        return (count - discounts[min(count, 3)]) / total + gamma * lower
